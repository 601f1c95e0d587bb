"""Senders hand in work, and read what became of it."""

import logging
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Response, request

from api.app_state import app_state
from api.circuit_breaker import REQUEST_SECONDS
from api.http.blueprint import Blueprint
from api.http.envelope import encode, ok, ok_encoded
from api.message_answers import MessageAnswer, SentAnswer
from api.message_requests import MessagesQuery, PageRequest, SendBody, SendRequest
from shared.clock import utc_now
from shared.domain.actor import ANONYMOUS
from shared.domain.draft import Draft, find_id_problem
from shared.domain.ids import MessageId
from shared.errors import InvalidData
from shared.services.message_history import get_message, list_messages, to_message_item
from shared.services.module_lookup import find_by_reference
from shared.services.sending import Sent

log = logging.getLogger(__name__)
messages = Blueprint("messages", __name__, description="Send work to modules.")

KEY_HEADER = "Idempotency-Key"
_KEY = {
    "in": "header",
    "name": KEY_HEADER,
    "description": "The message's id, as `message_id` in the body says it.",
    "schema": {"type": "string"},
}


@messages.route("/module/send_message", methods=["POST"], parameters=[_KEY])
@messages.errors(404, 409, 429)
@messages.arguments(SendBody(), location="body")
@messages.response(200, SentAnswer())
def send_message(wanted: SendRequest) -> Response:
    """Send a message to a module.

    It waits for a module that is offline. The same `message_id` again is the same message, and is
    answered alike.
    """
    sent = app_state().sender.send(_make_draft(wanted, _read_id(wanted)))
    return ok(_to_answer(sent))


@messages.route("/message/<message_id>")
@messages.errors(404)
@messages.response(200, MessageAnswer())
def show_message(message_id: MessageId) -> Response:
    """Show a message and its whole life.

    Its result is at `GET /result/<message_id>`.
    """
    with app_state().breaker.use(REQUEST_SECONDS) as store:
        seen = get_message(store, message_id)
    return ok(to_message_item(seen))


@messages.route("/module/<module:module>/messages", endpoint="list_messages")
@messages.errors(404, 409)
@messages.arguments(MessagesQuery(), location="query")
@messages.response(200, MessageAnswer(many=True), headers=("Link",))
def list_messages_of_module(wanted: PageRequest, module: str) -> Response:
    """List a module's messages, newest first.

    `after` is the `message_id` of the last one of the page before; `Link` has it.
    """
    state = app_state()
    with state.breaker.use(REQUEST_SECONDS) as store:
        found = list_messages(
            store,
            find_by_reference(store, module, state.directory),
            utc_now(),
            statuses=wanted.statuses,
            since=wanted.since,
            after=wanted.after,
            limit=wanted.limit,
        )
    headers = {}
    if len(found) == wanted.limit:
        query = request.args.to_dict() | {"after": found[-1].message.id}
        headers["Link"] = f'<{request.path}?{urlencode(query)}>; rel="next"'
    return ok_encoded(encode([to_message_item(seen) for seen in found]), headers=headers)


def _read_id(wanted: SendRequest) -> MessageId | None:
    """Return the id that the sender gives: in the body, or in a header."""
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return wanted.message_id
    if problem := find_id_problem(key):
        raise InvalidData(f"The header {KEY_HEADER} {problem}.")
    if wanted.message_id not in (None, key):
        raise InvalidData(f"message_id differs from the header {KEY_HEADER}: give one of them.")
    return MessageId(key)


def _make_draft(wanted: SendRequest, message_id: MessageId | None) -> Draft:
    with app_state().breaker.use(REQUEST_SECONDS) as store:
        return Draft(
            content=wanted.content,
            sender=ANONYMOUS,
            module_hash=wanted.target.find_hash(store) if wanted.target else None,
            mission_kind=wanted.mission_kind,
            fallback=tuple(reference.find_hash(store) for reference in wanted.fallback),
            message_id=message_id,
            useful_until=wanted.useful_until,
            timeout_seconds=wanted.timeout_seconds,
            priority=wanted.priority,
        )


def _to_answer(sent: Sent) -> dict[str, Any]:
    message, module = sent.message, sent.module
    return {
        "message": orjson.Fragment(message.content),
        "module_id": module.module_id if module else None,
        "module_name": module.name if module else None,
        "module_hash": message.module_hash,
        "message_id": message.id,
        "status": message.status.value,
        "delivery": sent.delivery,
        "duplicate": sent.is_duplicate,
        "useful_until": message.useful_until,
        "chosen_because": message.chosen_because,
    }
