"""What operators do to messages: cancel, retry."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.actor import Actor
from shared.domain.draft import Draft, next_id
from shared.domain.event import message_decided
from shared.domain.ids import MessageId, ModuleHash
from shared.domain.message import EndReason, Message, MessageStatus
from shared.domain.result import ResultStatus, end_of_message
from shared.errors import Conflict, PlatformError
from shared.services.ending import end_messages
from shared.services.message_history import no_message
from shared.services.sending import MessageSender, Sent
from shared.store import Store, batch_timeout


@dataclass(frozen=True, kw_only=True)
class Cancelled:
    """A message that is cancelled; not at once where its module was asked to give it up."""

    message: Message
    is_at_once: bool


def cancel_message(store: Store, message_id: MessageId, now: datetime, actor: Actor) -> Cancelled:
    """Cancel a message: what waits at once, what was sent when its module says so or after 10 s.

    Raises NotFound, and Conflict when it has ended. The wish is written first: no push takes the
    message from then on, and any process ends it, should this one be killed.
    """
    is_new = store.messages.request_cancel([message_id], actor, now) == 1
    message = store.messages.get(message_id)
    if message is None:
        raise no_message(message_id)
    is_at_once = message.status is MessageStatus.QUEUED
    if is_at_once:
        reason, error = EndReason.OPERATOR, f"cancelled by {actor}"
        end = end_of_message(message, ResultStatus.CANCELLED, now, reason, error)
        status = end_messages(store, [end], now)[message_id].status.message_status
        if status is not MessageStatus.CANCELLED:
            raise _has_ended(message_id, status)
    elif message.status.is_final:
        raise _has_ended(message_id, message.status)
    if is_new or is_at_once:
        what = "cancelled" if is_at_once else "cancel_requested"
        store.events.record([message_decided(message_id, what, now, actor)])
    return Cancelled(message=message, is_at_once=is_at_once)


def retry_message(
    store: Store, sender: MessageSender, message_id: MessageId, now: datetime, actor: Actor
) -> Sent:
    """Send again what did not succeed, as a new message that names this one.

    The first result of a message stands, so that it cannot be queued again under its own id. The
    new id is made of the old one: of two operators that retry at once, one does.
    Raises NotFound, Conflict, and what sending refuses.
    """
    message = store.messages.get(message_id)
    if message is None:
        raise no_message(message_id)
    _refuse_retry(message)
    draft = Draft(
        content=message.content,
        sender=actor,
        module_hash=message.module_hash,
        message_id=next_id(message_id),
        timeout_seconds=message.timeout_seconds,
        priority=message.priority,
        retry_of=message_id,
    )
    (outcome,) = sender.send(store, [draft], now)
    if isinstance(outcome, PlatformError):
        raise outcome
    if outcome.is_duplicate:
        raise Conflict(
            f"The message {message_id!r} was retried already, as {outcome.message.id!r}, "
            f"which is {outcome.message.status}."
        )
    store.events.record([message_decided(message_id, "retried", now, actor)])
    return outcome


def end_work_of_unknown(store: Store, module_hash: ModuleHash, now: datetime) -> None:
    """End what a module that was just deleted still had to do."""
    with batch_timeout():
        messages = store.messages.open_of(module_hash)
        reason = EndReason.UNKNOWN_MODULE
        end_messages(
            store, [end_of_message(m, ResultStatus.DEAD, now, reason) for m in messages], now
        )


def _refuse_retry(message: Message) -> None:
    if not message.status.is_final:
        raise Conflict(f"The message {message.id!r} has not ended: it is {message.status}.")
    if message.status is MessageStatus.SUCCEEDED:
        raise Conflict(f"The message {message.id!r} succeeded: send it anew to have it done twice.")
    if message.execution_id is not None:
        raise Conflict(
            f"The message {message.id!r} is a step of the execution {message.execution_id!r}: "
            "retry that."
        )


def _has_ended(message_id: MessageId, status: MessageStatus) -> Conflict:
    return Conflict(f"The message {message_id!r} has ended already: it is {status}.")
