"""Work that one module could not do goes to the next one that the sender named, or routing found."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from shared.domain.draft import next_id
from shared.domain.ids import ModuleHash
from shared.domain.message import Message, MessageStatus
from shared.domain.module import Module
from shared.domain.result import Result, ResultStatus
from shared.services.queueing import queue_messages
from shared.store import Store

_WHY = {
    ResultStatus.FAILURE: "failed",
    ResultStatus.TIMED_OUT: "did not answer in time",
    ResultStatus.DEAD: "never acknowledged it",
}


def pass_on(store: Store, results: Iterable[Result], now: datetime) -> int:
    """Send what failed to the next module, under an id made of the old one; return how many.

    Steps of workflows have rules of their own. Called before the message is ended: if this process
    is killed first, whoever ends the message comes here again, and the same id is sent once.
    """
    failed = {r.message_id: r for r in results if r.status in _WHY and r.execution_id is None}
    if not failed:
        return 0
    messages = store.messages.read(failed).values()
    passed = [m for m in messages if m.fallback and m.useful_until > now and not m.status.is_final]
    if not passed:
        return 0
    hashes = {key for m in passed for key in (m.module_hash, *m.fallback)}
    modules = {module.module_hash: module for module in store.modules.brief(hashes)}
    following = [_make(m, modules, _WHY[failed[m.id].status], now) for m in passed]
    return queue_messages(store, [message for message in following if message])


def _make(
    message: Message, modules: Mapping[ModuleHash, Module], why: str, now: datetime
) -> Message | None:
    """Return the message for the next module: the first that is connected, else the first."""
    left = [modules[key] for key in message.fallback if key in modules and modules[key].enabled]
    if not left:
        return None
    chosen = next((module for module in left if module.session), left[0])
    failed = modules.get(message.module_hash)
    name = failed.name if failed else message.module_hash
    return replace(
        message,
        id=next_id(message.id),
        module_hash=chosen.module_hash,
        mission_kind=chosen.mission_kind,
        status=MessageStatus.QUEUED,
        created_at=now,
        deadline_at=message.useful_until,
        attempt=0,
        node=None,
        push=None,
        sent_at=None,
        pushed_at=None,
        acked_at=None,
        cancel_requested_at=None,
        cancel_requested_by=None,
        progress=None,
        retry_of=message.id,
        chosen_because=f"fallback of {name!r}, which {why}",
        fallback=tuple(m.module_hash for m in left if m is not chosen),
    )
