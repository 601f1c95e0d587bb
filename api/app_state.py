"""What the views share: the circuit breaker, the rules, the listings, and what works in batches."""

from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from api.circuit_breaker import CircuitBreaker
from api.listing_cache import CachedListing
from api.registrar import Registrar
from api.sender import Sender
from api.workflow_listing import WorkflowListing, list_items, list_jobs
from shared.domain.presence import PresenceRules
from shared.services.latest_results import LatestResults
from shared.services.module_directory import ModuleDirectory
from shared.services.module_listing import presence_rules, stream_all, stream_online
from shared.services.queue_room import QueueRoom
from shared.services.registration_quota import RegistrationQuota
from shared.services.routing import Router
from shared.services.sending import MessageSender
from shared.settings import Settings
from shared.store import Store

_EXTENSION = "forecast-platform"


@dataclass(frozen=True, kw_only=True)
class AppState:
    """What one application holds; views reach it by `app_state()`."""

    breaker: CircuitBreaker
    rules: PresenceRules
    online: CachedListing
    all_modules: CachedListing
    directory: ModuleDirectory
    registrar: Registrar
    sender: Sender
    latest: LatestResults
    workflows: WorkflowListing
    jobs: WorkflowListing
    execution_timeout_seconds: float


def share_app_state(app: Flask, settings: Settings, store: Store) -> None:
    """Make what the views of this application share."""
    data_dir = None if settings.database_server == "external" else settings.var_dir / "db"
    breaker, rules = CircuitBreaker(store, data_dir=data_dir), presence_rules(settings)
    directory = ModuleDirectory()
    router = Router(directory, rules, breaker.grace)
    app.extensions[_EXTENSION] = AppState(
        breaker=breaker,
        rules=rules,
        online=CachedListing(breaker, rules, stream_online),
        all_modules=CachedListing(breaker, rules, stream_all),
        directory=directory,
        registrar=Registrar(breaker, store, RegistrationQuota.of(settings)),
        latest=LatestResults(directory),
        workflows=WorkflowListing(breaker, store, list_items),
        jobs=WorkflowListing(breaker, store, list_jobs),
        execution_timeout_seconds=settings.execution_timeout_seconds,
        sender=Sender(breaker, store, MessageSender(router, QueueRoom(), breaker.grace)),
    )


def app_state() -> AppState:
    """Return what the views of the current application share."""
    return cast(AppState, current_app.extensions[_EXTENSION])
