"""Messages are given up when their time is over, or when their module is gone."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from shared.domain.ids import MessageId, ModuleHash
from shared.domain.message import OPEN, PUSHED, EndReason, Message, MessageStatus
from shared.domain.result import Result, ResultStatus, end_of_cancelled, end_of_message
from shared.services.cancelling import give_up_messages
from shared.services.ending import end_messages, follow_results
from shared.services.isolation import isolate
from shared.store import Store, batch_timeout

SLICE = 500
# A wsd writes the status a moment after the result; if it did not by then, it was killed.
MEND_AFTER = timedelta(seconds=30)


def end_overdue(store: Store, now: datetime, limit: int = SLICE) -> bool:
    """End a slice of the messages whose deadline has passed; True while work is left."""
    with batch_timeout():
        overdue = store.message_deadlines.overdue(now, limit)
        ends = [_give_up(message, now) for message in overdue]
        failed = isolate(lambda some: end_messages(store, some, now), ends, lambda e: e.message_id)
    return len(overdue) >= limit and not failed


def end_overdue_among(store: Store, ids: Iterable[MessageId], now: datetime) -> None:
    """End those of these messages whose deadline has passed."""
    found = store.deliveries.read(ids).values()
    overdue = [m for m in found if m.status in OPEN and m.deadline_at and m.deadline_at <= now]
    end_messages(store, [_give_up(message, now) for message in overdue], now)


def check_pushed(
    store: Store, now: datetime, after: datetime | None, limit: int = SLICE
) -> datetime | None:
    """Look at a slice of what modules have, by deadline; return where the next slice begins.

    What was not begun in time is given up. A status that a wsd could not write any more, because it
    was killed after it stored the result, is written now.
    """
    with batch_timeout():
        pushed = store.message_deadlines.after(PUSHED, after, limit)
        late = [message for message in pushed if _is_not_started(message, now)]
        not_started = (ResultStatus.TIMED_OUT, now, EndReason.NOT_STARTED)
        end_messages(store, [end_of_message(message, *not_started) for message in late], now)
        old = {m.id for m in pushed if m.sent_at is None or m.sent_at < now - MEND_AFTER}
        follow_results(store, store.results.read_ends(old).values(), now)
        _give_up_orphans(store, [m for m in pushed if m.id in old], now)
    return _end_of_slice(pushed, limit)


def check_queued(
    store: Store, now: datetime, after: datetime | None, limit: int = SLICE
) -> datetime | None:
    """End what waits for modules that are deleted or disabled, or for an execution that is over.

    Returns where the next slice begins.
    """
    with batch_timeout():
        queued = store.message_deadlines.after([MessageStatus.QUEUED], after, limit)
        enabled = {m.module_hash: m.enabled for m in store.modules.brief(_modules_of(queued))}
        reasons = {None: EndReason.UNKNOWN_MODULE, False: EndReason.MODULE_DISABLED}
        ends = [
            end_of_message(
                message, ResultStatus.DEAD, now, reasons[enabled.get(message.module_hash)]
            )
            for message in queued
            if not enabled.get(message.module_hash)
        ]
        end_messages(store, ends, now)
        _give_up_orphans(store, queued, now)
    return _end_of_slice(queued, limit)


def _give_up_orphans(store: Store, messages: Iterable[Message], now: datetime) -> None:
    """Give up what was sent by a worker that was killed while its execution was cancelled."""
    waiting = [m for m in messages if m.cancel_requested_at is None]
    over = store.executions.over_among({m.execution_id for m in waiting if m.execution_id})
    give_up_messages(store, [m.id for m in waiting if m.execution_id in over], now)


def _give_up(message: Message, now: datetime) -> Result:
    if message.cancel_requested_at is not None:
        return end_of_cancelled(message, now)
    if message.status is not MessageStatus.QUEUED:
        return end_of_message(message, ResultStatus.TIMED_OUT, now, EndReason.NO_RESULT)
    if message.attempt:  # it was pushed, and came back into the queue
        return end_of_message(message, ResultStatus.TIMED_OUT, now, EndReason.NOT_STARTED)
    return end_of_message(message, ResultStatus.EXPIRED, now, EndReason.LIFE_OVER)


def _is_not_started(message: Message, now: datetime) -> bool:
    """Return whether a module that acknowledges did not do so within the time to start."""
    if message.start_timeout_seconds is None or message.status is not MessageStatus.SENT:
        return False
    may_start_until = message.created_at + timedelta(seconds=message.start_timeout_seconds)
    return message.pushed_at is None and now > may_start_until


def _modules_of(messages: Iterable[Message]) -> set[ModuleHash]:
    return {message.module_hash for message in messages}


def _end_of_slice(messages: list[Message], limit: int) -> datetime | None:
    """Return the last deadline of a full slice; else None, the beginning of a new round."""
    return messages[-1].deadline_at if len(messages) >= limit else None
