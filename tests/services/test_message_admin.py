"""Operators cancel and retry messages; each has one end, and what was decided is recorded."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.delivery import Push
from shared.domain.event import Subject, SubjectKind
from shared.domain.ids import ExecutionId, MessageId
from shared.domain.message import CANCEL_LIFE, EndReason, Message, MessageStatus
from shared.domain.module import Module
from shared.domain.result import ResultStatus
from shared.errors import Conflict, NotFound
from shared.services.delivery import record_attempts
from shared.services.message_admin import cancel_message, retry_message
from shared.services.message_deadlines import end_overdue
from shared.services.module_admin import delete_module
from shared.services.module_directory import ModuleDirectory
from shared.services.queue_room import QueueRoom
from shared.services.routing import Router
from shared.services.sending import MessageSender
from tests.support.builders import ACTOR, NODE, RULES, make_message, make_result
from tests.support.killed_store import KilledStore
from tests.support.registry import Registry

Insert = Callable[..., Message]


@pytest.fixture
def module(registry: Registry) -> Module:
    return registry.register("load")


@pytest.fixture
def insert(registry: Registry, module: Module) -> Insert:
    def insert(**overrides: Any) -> Message:
        message = make_message(module_hash=module.module_hash, **overrides)
        registry.store.messages.insert([message])
        return message

    return insert


@pytest.fixture
def sender() -> MessageSender:
    return MessageSender(Router(ModuleDirectory(), RULES), QueueRoom())


def read(registry: Registry, message: Message) -> Message:
    found = registry.store.messages.get(message.id)
    assert found is not None
    return found


def happened(registry: Registry, message: Message) -> list[tuple[str, str]]:
    subject = Subject(kind=SubjectKind.MESSAGE, id=message.id)
    return [(event.what, event.actor) for event in registry.store.events.find(subject=subject)]


def test_what_waits_is_cancelled_at_once(registry: Registry, insert: Insert) -> None:
    message = insert()
    assert cancel_message(registry.store, message.id, registry.now, ACTOR).is_at_once
    stored = read(registry, message)
    assert (stored.status, stored.ended_at) == (MessageStatus.CANCELLED, registry.now)
    result = registry.store.results.get(message.id)
    assert result is not None
    assert (result.status, result.reason, result.error, result.is_by_module) == (
        ResultStatus.CANCELLED,
        EndReason.OPERATOR,
        "cancelled by user:alice",
        False,
    )
    assert happened(registry, message) == [("cancelled", ACTOR)]


@pytest.mark.parametrize("status", [MessageStatus.SENT, MessageStatus.ACKED])
def test_a_module_is_asked_to_give_up_what_it_has(
    registry: Registry, insert: Insert, status: MessageStatus
) -> None:
    message = insert(status=status, node=NODE)
    assert not cancel_message(registry.store, message.id, registry.now, ACTOR).is_at_once
    stored = read(registry, message)
    assert (stored.status, stored.cancel_requested_at, stored.cancel_requested_by) == (
        status,
        registry.now,
        ACTOR,
    )
    over = registry.now + timedelta(seconds=15)
    assert stored.deadline_at == over
    assert registry.store.results.get(message.id) is None
    assert [m.id for m in registry.store.deliveries.to_be_cancelled(over)] == [message.id]
    assert happened(registry, message) == [("cancel_requested", ACTOR)]


def test_a_module_is_asked_once(registry: Registry, insert: Insert) -> None:
    message = insert(status=MessageStatus.ACKED)
    for seconds in range(2):
        now = registry.now + timedelta(seconds=seconds)
        assert not cancel_message(registry.store, message.id, now, ACTOR).is_at_once
    assert read(registry, message).cancel_requested_at == registry.now
    assert len(happened(registry, message)) == 1


def test_a_push_that_comes_first_makes_it_a_request(registry: Registry, insert: Insert) -> None:
    message = insert()
    push = [Push(message=message)]
    assert record_attempts(registry.store, push, NODE, "push-1", registry.now)
    assert not cancel_message(registry.store, message.id, registry.now, ACTOR).is_at_once
    stored = read(registry, message)
    assert (stored.status, stored.cancel_requested_at) == (MessageStatus.SENT, registry.now)
    assert registry.store.results.get(message.id) is None


def test_a_result_that_comes_first_stands(registry: Registry, insert: Insert) -> None:
    message = insert()
    registry.store.results.insert([make_result(module_hash=message.module_hash)])
    with pytest.raises(Conflict, match="has ended already: it is succeeded"):
        cancel_message(registry.store, message.id, registry.now, ACTOR)
    assert read(registry, message).status is MessageStatus.SUCCEEDED


@pytest.mark.parametrize("survived", range(1, 4))
def test_a_cancel_that_was_killed_is_finished_and_nothing_is_pushed(
    registry: Registry, insert: Insert, survived: int
) -> None:
    message = insert()
    with pytest.raises(KeyboardInterrupt):
        killed = KilledStore(registry.store, survived)
        cancel_message(killed, message.id, registry.now, ACTOR)  # type: ignore[arg-type]
    push = [Push(message=message)]
    assert record_attempts(registry.store, push, NODE, "push-1", registry.now) == []
    end_overdue(registry.store, registry.now + CANCEL_LIFE)
    assert read(registry, message).status is MessageStatus.CANCELLED


def test_a_cancel_that_was_killed_is_finished_by_the_next(
    registry: Registry, insert: Insert
) -> None:
    message = insert()
    with pytest.raises(KeyboardInterrupt):
        cancel_message(KilledStore(registry.store, 1), message.id, registry.now, ACTOR)  # type: ignore[arg-type]
    assert read(registry, message).status is MessageStatus.QUEUED
    assert cancel_message(registry.store, message.id, registry.now, ACTOR).is_at_once
    assert read(registry, message).status is MessageStatus.CANCELLED


def test_what_has_ended_cannot_be_cancelled(registry: Registry, insert: Insert) -> None:
    message = insert(status=MessageStatus.DEAD)
    with pytest.raises(Conflict, match="has ended already: it is dead"):
        cancel_message(registry.store, message.id, registry.now, ACTOR)
    with pytest.raises(NotFound):
        cancel_message(registry.store, MessageId("unknown"), registry.now, ACTOR)


@pytest.mark.parametrize(
    "status",
    [
        MessageStatus.FAILED,
        MessageStatus.EXPIRED,
        MessageStatus.CANCELLED,
        MessageStatus.DEAD,
        MessageStatus.TIMED_OUT,
    ],
)
def test_what_did_not_succeed_is_sent_again_as_a_new_message(
    registry: Registry, insert: Insert, sender: MessageSender, status: MessageStatus
) -> None:
    message = insert(status=status, priority=7, timeout_seconds=60.0, content='{"a" : 1}')
    now = registry.now + timedelta(hours=5)
    sent = retry_message(registry.store, sender, message.id, now, ACTOR)
    assert (sent.message.id, sent.message.retry_of) == ("message-1~2", message.id)
    assert (sent.message.content, sent.message.priority, sent.message.timeout_seconds) == (
        '{"a" : 1}',
        7,
        60.0,
    )
    assert (sent.message.status, sent.message.sender) == (MessageStatus.QUEUED, ACTOR)
    assert sent.message.useful_until > now
    assert read(registry, message).status is status
    assert happened(registry, message) == [("retried", ACTOR)]


def test_two_operators_that_retry_at_once_send_it_once(
    registry: Registry, insert: Insert, sender: MessageSender
) -> None:
    message = insert(status=MessageStatus.DEAD)
    retry_message(registry.store, sender, message.id, registry.now, ACTOR)
    with pytest.raises(Conflict, match="was retried already, as 'message-1~2', which is queued"):
        retry_message(registry.store, sender, message.id, registry.now, ACTOR)


def test_a_retry_can_be_retried(registry: Registry, insert: Insert, sender: MessageSender) -> None:
    message = insert(id=MessageId("message-1~2"), status=MessageStatus.DEAD)
    sent = retry_message(registry.store, sender, message.id, registry.now, ACTOR)
    assert sent.message.id == "message-1~3"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": MessageStatus.ACKED}, "has not ended: it is acked"),
        ({"status": MessageStatus.SUCCEEDED}, "succeeded: send it anew"),
        (
            {"status": MessageStatus.FAILED, "execution_id": ExecutionId("1-2")},
            "is a step of the execution '1-2'",
        ),
    ],
)
def test_what_cannot_be_retried(
    registry: Registry, insert: Insert, sender: MessageSender, fields: dict[str, Any], said: str
) -> None:
    message = insert(**fields)
    with pytest.raises(Conflict, match=said):
        retry_message(registry.store, sender, message.id, registry.now, ACTOR)


def test_a_retry_is_refused_as_sending_is(
    registry: Registry, insert: Insert, module: Module, sender: MessageSender
) -> None:
    message = insert(status=MessageStatus.DEAD)
    registry.store.modules.set_enabled(module.module_hash, registry.now, enabled=False)
    with pytest.raises(Conflict, match="is disabled"):
        retry_message(registry.store, sender, message.id, registry.now, ACTOR)
    assert happened(registry, message) == []


def test_the_work_of_a_deleted_module_ends(
    registry: Registry, insert: Insert, module: Module
) -> None:
    waiting, acked = insert(), insert(id=MessageId("b"), status=MessageStatus.ACKED)
    done = insert(id=MessageId("c"), status=MessageStatus.SUCCEEDED)
    delete_module(registry.store, module.module_hash, registry.now, ACTOR)
    assert [read(registry, m).status for m in (waiting, acked, done)] == [
        MessageStatus.DEAD,
        MessageStatus.DEAD,
        MessageStatus.SUCCEEDED,
    ]
    result = registry.store.results.get(waiting.id)
    assert result is not None
    assert result.reason is EndReason.UNKNOWN_MODULE
