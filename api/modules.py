"""Modules register, are listed, shown and closed."""

import logging
from typing import Any

from flask import Response, request

from api.app_state import app_state
from api.circuit_breaker import REQUEST_SECONDS
from api.http.blueprint import Blueprint
from api.http.client_address import client_address
from api.http.envelope import ok
from api.http.responses import IF_NONE_MATCH
from api.listing_response import answer_listing
from api.module_answers import ClosedAnswer, ModuleAnswer, RegisteredAnswer, ShownModule
from api.module_reference import ModuleReference, ModuleReferenceBody
from api.module_requests import (
    ListingQuery,
    ListingRequest,
    RegistrationBody,
    RegistrationQuery,
)
from shared.clock import utc_now
from shared.domain.actor import ANONYMOUS
from shared.domain.module import Registration
from shared.services.module_admin import close_module
from shared.services.module_listing import get_module, to_item
from shared.services.module_lookup import find_hash
from shared.services.punctuality import record_of_module
from shared.services.registration import Registered

log = logging.getLogger(__name__)
modules = Blueprint(
    "modules", __name__, description="Register modules, list them, close their sockets."
)


@modules.route("/module/register", endpoint="register_module_by_query")
@modules.errors(409, 429)
@modules.arguments(RegistrationQuery(), location="query")
@modules.response(200, RegisteredAnswer())
def register_by_query(registration: Registration) -> Response:
    """Register a module by a query, as earlier clients do.

    The JSON values are texts; what is not known is ignored. A new module is 200 here, too.
    """
    return ok(_to_answer(_register(registration)))


@modules.route("/module/register", methods=["POST"], endpoint="register_module")
@modules.errors(409, 429)
@modules.arguments(RegistrationBody(), location="body")
@modules.response(200, RegisteredAnswer(), description="The module was registered before.")
@modules.response(201, RegisteredAnswer(), description="The module is new.")
def register(registration: Registration) -> Response:
    """Register a module, for the first time or again.

    The same `name`, `missionKind` and `modelHash` are the same module, with the same hash.
    """
    registered = _register(registration)
    return ok(_to_answer(registered), 201 if registered.is_new else 200)


@modules.route("/module/online", parameters=[IF_NONE_MATCH])
@modules.arguments(ListingQuery(), location="query")
@modules.response(200, ModuleAnswer(many=True), headers=("ETag", "Link"))
@modules.response(304, headers=("ETag", "Link"))
def list_online_modules(wanted: ListingRequest) -> Response:
    """List the modules that are online, suspect ones included.

    All of them come without `limit`; with it, `Link` names the next page.
    """
    return answer_listing(app_state().online.current(), wanted)


@modules.route("/module/list", endpoint="list_modules", parameters=[IF_NONE_MATCH])
@modules.arguments(ListingQuery(), location="query")
@modules.response(200, ModuleAnswer(many=True), headers=("ETag", "Link"))
@modules.response(304, headers=("ETag", "Link"))
def list_all_modules(wanted: ListingRequest) -> Response:
    """List every registered module.

    All of them come without `limit`; with it, `Link` names the next page.
    """
    return answer_listing(app_state().all_modules.current(), wanted)


@modules.route("/module/<module:module>")
@modules.errors(404, 409)
@modules.response(200, ShownModule())
def show_module(module: str) -> Response:
    """Show one module, and how it did lately.

    409 names all that may be meant by a name or by the beginning of a hash.
    """
    state = app_state()
    with state.breaker.use(REQUEST_SECONDS) as store:
        module_hash = find_hash(store, module, state.directory)
        now = utc_now()
        listed = get_module(store, module_hash, state.rules, now, state.breaker.grace)
        figures = record_of_module(store, module_hash, now)
    return ok(to_item(listed) | {"figures": figures.to_item()})


@modules.route("/module/close_websocket", methods=["POST"])
@modules.errors(404, 409)
@modules.arguments(ModuleReferenceBody(), location="body")
@modules.response(200, ClosedAnswer())
def close_websocket(reference: ModuleReference) -> Response:
    """Close an online module's socket.

    It is closed with 4010 within a second; a living module comes back by itself.
    """
    breaker = app_state().breaker
    with breaker.use(REQUEST_SECONDS) as store:
        module = reference.find(store)
        close_module(store, module, utc_now(), ANONYMOUS, breaker.grace)
    log.info("closed module %s: %s", module.module_id, module.module_hash)
    message = "The WebSocket is being closed."
    return ok({"module_id": module.module_id, "module_name": module.name, "message": message})


def _register(registration: Registration) -> Registered:
    registered = app_state().registrar.register(registration, client_address(request))
    if registered.is_new:
        module = registered.module
        log.info("registered module %s: %s", module.module_id, module.module_hash)
    return registered


def _to_answer(registered: Registered) -> dict[str, Any]:
    module = registered.module
    return {
        "hash": module.module_hash,
        "module_hash": module.module_hash,
        "module_id": module.module_id,
        "revision": module.revision,
        "enabled": module.enabled,
    }
