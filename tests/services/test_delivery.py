"""Attempts are recorded, taken back and handed on, wherever a process is killed."""

from dataclasses import replace

import pytest

from shared.domain.delivery import Push, Tried
from shared.domain.ids import MessageId, NodeId
from shared.domain.message import EndReason, Message, MessageStatus
from shared.domain.module import Module
from shared.services.delivery import (
    record_attempts,
    release_node,
    release_orphans,
    requeue,
    undo_attempts,
)
from shared.services.nodes import sweep
from tests.support.builders import ACTOR, NODE, make_message, make_result
from tests.support.killed_store import KilledStore
from tests.support.registry import Registry

OTHER = NodeId("host-b:10090:1")


def queue(registry: Registry, module: Module, *ids: str, **overrides: object) -> list[Message]:
    values = {"module_hash": module.module_hash, "node": NODE} | overrides
    messages = [make_message(id=MessageId(one), **values) for one in ids]
    registry.store.messages.insert(messages)
    return messages


def push(registry: Registry, messages: list[Message], name: str = "push-1") -> list[str]:
    pushes = [Push(message=message) for message in messages]
    sent = record_attempts(registry.store, pushes, NODE, name, registry.now)
    return [one.id for one in sent]


def read(registry: Registry, message_id: str) -> Message:
    found = registry.store.messages.get(MessageId(message_id))
    assert found is not None
    return found


def test_only_what_this_push_has_marked_goes_out(registry: Registry) -> None:
    messages = queue(registry, registry.register(), "a", "b", "c")
    assert push(registry, messages[:1], "another") == ["a"]
    registry.store.deliveries.finish([MessageId("b")], MessageStatus.CANCELLED, registry.now)
    assert push(registry, messages) == ["c"]
    assert read(registry, "a").attempt == 1


def test_messages_of_different_time_outs_have_their_own_deadlines(registry: Registry) -> None:
    module = registry.register()
    short, long = queue(registry, module, "a", timeout_seconds=60), queue(registry, module, "b")
    push(registry, short + long)
    assert (read(registry, "a").deadline_at - registry.now).total_seconds() == 60
    assert (read(registry, "b").deadline_at - registry.now).total_seconds() == 7200


def test_an_attempt_that_was_acknowledged_is_not_taken_back(registry: Registry) -> None:
    module = registry.register()
    push(registry, queue(registry, module, "a", "b"))
    registry.store.deliveries.acknowledge([Tried(id=MessageId("a"), attempt=1)], registry.now)
    tried = [(module.module_hash, Tried(id=MessageId(one), attempt=1)) for one in "ab"]
    requeue(registry.store, tried, registry.now)
    assert read(registry, "a").status is MessageStatus.ACKED
    assert read(registry, "b").status is MessageStatus.QUEUED


def test_a_later_attempt_is_neither_acknowledged_nor_taken_back_for_an_earlier(
    registry: Registry,
) -> None:
    module = registry.register()
    (message,) = queue(registry, module, "a")
    push(registry, [message])
    undo_attempts(registry.store, [Push(message=message)], "push-1", registry.now)
    push(registry, [message], "push-2")
    earlier = Tried(id=MessageId("a"), attempt=1)
    registry.store.deliveries.acknowledge([earlier], registry.now)
    requeue(registry.store, [(module.module_hash, earlier)], registry.now)
    assert (read(registry, "a").status, read(registry, "a").attempt) == (MessageStatus.SENT, 2)


@pytest.mark.parametrize("is_undone", [True, False])
def test_what_is_taken_back_waits_as_long_as_it_is_useful(
    registry: Registry, is_undone: bool
) -> None:
    module = registry.register()
    (message,) = queue(registry, module, "a", timeout_seconds=86400)
    push(registry, [message])
    assert read(registry, "a").deadline_at > message.useful_until
    if is_undone:
        undo_attempts(registry.store, [Push(message=message)], "push-1", registry.now)
    else:
        tried = Tried(id=message.id, attempt=1)
        requeue(registry.store, [(module.module_hash, tried)], registry.now)
    taken_back = read(registry, "a")
    assert taken_back.status is MessageStatus.QUEUED
    assert taken_back.deadline_at == message.useful_until


def test_what_is_to_be_given_up_ends_instead_of_going_back_into_the_queue(
    registry: Registry,
) -> None:
    registry.enrol()
    module = registry.register()
    push(registry, queue(registry, module, "session", "node", "other"))
    for one in ("session", "node"):
        assert registry.store.messages.request_cancel([MessageId(one)], ACTOR, registry.now)
    tried = [(module.module_hash, Tried(id=MessageId(one), attempt=1)) for one in ("session",)]
    requeue(registry.store, tried, registry.now)
    assert not release_node(registry.store, NODE, registry.now)
    statuses = [read(registry, one).status for one in ("session", "node", "other")]
    assert statuses == [MessageStatus.CANCELLED, MessageStatus.CANCELLED, MessageStatus.QUEUED]
    result = registry.store.results.get(MessageId("node"))
    assert result is not None
    assert result.reason is EndReason.OPERATOR


def test_a_push_does_not_begin_what_is_to_be_given_up(registry: Registry) -> None:
    messages = queue(registry, registry.register(), "a", cancel_requested_at=registry.now)
    assert push(registry, messages) == []
    assert read(registry, "a").status is MessageStatus.QUEUED


def test_what_is_requeued_is_addressed_to_where_the_module_is_now(registry: Registry) -> None:
    module = registry.register()
    push(registry, queue(registry, module, "a"))
    registry.connect(module, node=OTHER)
    tried = [(module.module_hash, Tried(id=MessageId("a"), attempt=1))]
    requeue(registry.store, tried, registry.now)
    assert (read(registry, "a").status, read(registry, "a").node) == (MessageStatus.QUEUED, OTHER)
    assert [m.id for m in registry.store.deliveries.queued_lately(OTHER, registry.now)] == ["a"]


def test_a_dead_node_gives_back_what_no_module_acknowledged(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    sent = queue(registry, module, "sent", "acked", "final")
    queue(registry, module, "queued")
    push(registry, sent)
    deliveries, now = registry.store.deliveries, registry.now
    deliveries.acknowledge([Tried(id=MessageId("acked"), attempt=1)], now)
    deliveries.note_pushed([Tried(id=MessageId("final"), attempt=1)], now, is_owed=False)
    registry.store.nodes.declare_dead(NODE, 1, now)
    while sweep(registry.store, now):
        pass
    statuses = {one: read(registry, one).status.value for one in ("sent", "acked", "final")}
    assert statuses == {"sent": "queued", "acked": "acked", "final": "sent"}
    assert read(registry, "sent").node is None
    assert registry.store.nodes.all() == []


@pytest.mark.parametrize("calls_survived", range(8))
def test_a_sweeper_killed_anywhere_leaves_the_messages_to_the_next(
    registry: Registry, calls_survived: int
) -> None:
    registry.enrol()
    registry.enrol(OTHER)
    module = registry.connect(registry.register())
    push(registry, queue(registry, module, "a", "b"))
    registry.store.nodes.declare_dead(NODE, 1, registry.now)
    killed = KilledStore(registry.store, calls_survived)
    with pytest.raises(KeyboardInterrupt):
        while sweep(killed, registry.now):
            pass
    registry.connect(module, node=OTHER)
    while sweep(registry.store, registry.now):
        pass
    assert {read(registry, one).status for one in "ab"} == {MessageStatus.QUEUED}


def test_messages_of_nodes_without_a_document_are_given_back(registry: Registry) -> None:
    registry.enrol(OTHER)
    module = registry.register()
    push(registry, queue(registry, module, "sent"))
    queue(registry, module, "queued")
    queue(registry, module, "charlies", node=OTHER)
    queue(registry, module, "nobodys", node=None)
    assert not release_orphans(registry.store, registry.now)
    found = {one: read(registry, one) for one in ("sent", "queued", "charlies", "nobodys")}
    assert {message.status for message in found.values()} == {MessageStatus.QUEUED}
    assert {one: message.node for one, message in found.items()} == {
        "sent": None,
        "queued": None,
        "charlies": OTHER,
        "nobodys": None,
    }


def test_a_node_that_has_nothing_gives_nothing_back(registry: Registry) -> None:
    registry.enrol()
    assert not release_node(registry.store, NODE, registry.now)


def test_what_has_a_result_is_ended_instead_of_tried_again(registry: Registry) -> None:
    (message,) = queue(registry, registry.register(), "a", attempt=1)
    registry.store.results.insert([make_result(message_id="a")])
    assert push(registry, [replace(message, attempt=1)]) == []
    assert read(registry, "a").status is MessageStatus.SUCCEEDED
