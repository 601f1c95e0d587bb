"""Messages and what became of them: what every reader is shown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import dropwhile, islice
from typing import Any

import orjson

from shared.domain.ids import MessageId
from shared.domain.message import Message, MessageStatus
from shared.domain.module import Module
from shared.domain.result import Result
from shared.errors import NotFound
from shared.store import Store, batch_timeout

READ_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class MessageSeen:
    """A message beside its result, if it has one, and its module, unless that is deleted."""

    message: Message
    result: Result | None
    module: Module | None


def get_message(store: Store, message_id: MessageId) -> MessageSeen:
    """Return a message with its result; raises NotFound."""
    message = store.messages.get(message_id)
    if message is None:
        raise no_message(message_id)
    modules = store.modules.brief([message.module_hash])
    return MessageSeen(
        message=message,
        result=store.results.get(message_id),
        module=modules[0] if modules else None,
    )


def list_messages(
    store: Store,
    module: Module,
    now: datetime,
    *,
    statuses: Iterable[MessageStatus] = MessageStatus,
    since: datetime | None = None,
    after: MessageId | None = None,
    limit: int,
) -> list[MessageSeen]:
    """Return a module's messages, newest first; `after` is the last one of the page before.

    Raises NotFound when that one is unknown.
    """
    with batch_timeout(READ_SECONDS):
        begin = None
        if after is not None and (begin := store.messages.get(after)) is None:
            raise no_message(after)
        found = store.messages.newest(
            module.module_hash,
            now,
            statuses=statuses,
            since=since,
            until=begin.created_at if begin else None,
        )
        if begin is not None:
            last = (begin.created_at, begin.id)
            found = dropwhile(lambda message: (message.created_at, message.id) >= last, found)
        page = list(islice(found, limit))
        whole = store.messages.read(m.id for m in page)
        results = store.results.read_ends(m.id for m in page if m.status.is_final)
    return [
        MessageSeen(message=whole[m.id], result=results.get(m.id), module=module)
        for m in page
        if m.id in whole
    ]


def list_everywhere(
    store: Store, *, statuses: Iterable[MessageStatus], since: datetime | None, limit: int
) -> list[MessageSeen]:
    """Return messages of all modules, newest first."""
    with batch_timeout(READ_SECONDS):
        found = store.messages.everywhere(statuses, since)
        page = sorted(found, key=lambda m: (m.created_at, m.id), reverse=True)[:limit]
        whole = store.messages.read(m.id for m in page)
        messages = [whole[m.id] for m in page if m.id in whole]
        results = store.results.read_ends(m.id for m in messages if m.status.is_final)
        modules = {m.module_hash: m for m in store.modules.brief({m.module_hash for m in messages})}
    return [
        MessageSeen(message=m, result=results.get(m.id), module=modules.get(m.module_hash))
        for m in messages
    ]


def no_message(message_id: MessageId) -> NotFound:
    """Return the error for a message that does not exist, or was purged."""
    return NotFound(f"No message has the id {message_id[:128]!r}.")


def to_message_item(seen: MessageSeen) -> dict[str, Any]:
    """Return the public form of a message; what it says stands in it as it was given."""
    message, result, module = seen.message, seen.result, seen.module
    progress = message.progress
    return {
        "message_id": message.id,
        "module_id": module.module_id if module else None,
        "module_name": module.name if module else None,
        "module_hash": message.module_hash,
        "missionKind": message.mission_kind,
        "status": message.status.value,
        "reason": result.reason.value if result and result.reason else None,
        "error": result.error if result else None,
        "message": orjson.Fragment(message.content),
        "sender": message.sender,
        "priority": message.priority,
        "attempt": message.attempt,
        "created_at": message.created_at,
        "useful_until": message.useful_until,
        "deadline_at": message.deadline_at,
        "timeout_seconds": message.timeout_seconds,
        "sent_at": message.sent_at,
        "acked_at": message.acked_at,
        "ended_at": message.ended_at or (result.at if result else None),
        "progress": {"percent": progress.percent, "note": progress.note, "at": progress.at}
        if progress
        else None,
        "cancel_requested_at": message.cancel_requested_at,
        "cancel_requested_by": message.cancel_requested_by,
        "node": message.node,
        "workflow_id": message.workflow_id,
        "execution_id": message.execution_id,
        "step": message.step,
        "retry_of": message.retry_of,
        "chosen_because": message.chosen_because,
        "fallback": list(message.fallback),
    }


def latest_change(message: Message) -> datetime:
    """Return since when an open message has its status."""
    times: Sequence[datetime | None] = {
        MessageStatus.SENT: (message.sent_at,),
        MessageStatus.ACKED: (message.acked_at, message.sent_at),
    }.get(message.status, ())
    return next((at for at in times if at), message.created_at)
