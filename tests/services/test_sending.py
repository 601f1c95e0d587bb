"""Work is accepted once, for a module that may get it, and told to the node that holds it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.draft import Draft
from shared.domain.ids import MessageId, ModuleHash, NodeId
from shared.domain.message import DEFAULT_LIFE, QUEUE_MAX, EndReason, MessageStatus
from shared.domain.result import ResultStatus
from shared.errors import Conflict, NotFound, QueueFull
from shared.services.module_directory import ModuleDirectory
from shared.services.queue_room import QueueRoom
from shared.services.queueing import queue_messages
from shared.services.routing import Router
from shared.services.sending import MessageSender, Sent
from tests.support.builders import ACTOR, NODE, RULES, make_message, make_result
from tests.support.registry import Registry
from tests.support.tampering import remove_module

ELSEWHERE = NodeId("host-b:10090:1")


def make_sender() -> MessageSender:
    return MessageSender(Router(ModuleDirectory(), RULES), QueueRoom())


def make_draft(module_hash: ModuleHash | None = None, **overrides: Any) -> Draft:
    values = {"module_hash": module_hash, "content": '{"type":"test"}', "sender": ACTOR}
    return Draft(**values | overrides)


def send(registry: Registry, *drafts: Draft) -> list[Any]:
    return make_sender().send(registry.store, drafts, registry.now)


def test_a_message_waits_for_a_module_that_is_offline(registry: Registry) -> None:
    module = registry.register(mission_kind="load")
    (sent,) = send(registry, make_draft(module.module_hash, priority=7, timeout_seconds=60.0))
    assert (sent.module, sent.is_online, sent.is_duplicate) == (
        replace(module, description=""),
        False,
        False,
    )
    message = registry.store.messages.get(sent.message.id)
    assert message == sent.message
    assert (message.content, message.status, message.node) == (
        '{"type":"test"}',
        MessageStatus.QUEUED,
        None,
    )
    assert (message.priority, message.timeout_seconds, message.mission_kind) == (7, 60.0, "load")
    assert message.deadline_at == message.useful_until == registry.now + DEFAULT_LIFE
    assert (message.sender, message.chosen_because) == (ACTOR, None)


def test_a_message_is_addressed_to_the_node_that_holds_its_module(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    (sent,) = send(registry, make_draft(module.module_hash))
    assert (sent.is_online, sent.message.node) == (True, NODE)


def test_a_module_of_a_dead_node_is_not_online(registry: Registry) -> None:
    registry.enrol(lease_seconds=-10)
    module = registry.connect(registry.register())
    (sent,) = send(registry, make_draft(module.module_hash))
    assert (sent.is_online, sent.message.node) == (False, NODE)


def test_what_cannot_be_accepted_leaves_the_rest_alone(registry: Registry) -> None:
    module, disabled = registry.register("load"), registry.register("disabled")
    registry.store.modules.set_enabled(disabled.module_hash, registry.now, enabled=False)
    unknown, refused, sent = send(
        registry,
        make_draft(ModuleHash("0" * 64)),
        make_draft(disabled.module_hash),
        make_draft(module.module_hash),
    )
    assert isinstance(unknown, NotFound)
    assert isinstance(refused, Conflict)
    assert refused.message == (
        "The module 'disabled' is disabled: it gets no work until it is enabled."
    )
    assert isinstance(sent, Sent)
    assert registry.store.messages.count_open(disabled.module_hash) == 0


def test_a_full_queue_takes_no_more(registry: Registry) -> None:
    module, other = registry.register("load"), registry.register("other")
    waiting = [
        make_message(id=f"m{n}", module_hash=module.module_hash) for n in range(QUEUE_MAX - 1)
    ]
    registry.store.messages.insert(waiting)
    first, second, elsewhere = send(
        registry,
        make_draft(module.module_hash),
        make_draft(module.module_hash),
        make_draft(other.module_hash),
    )
    assert isinstance(first, Sent)
    assert isinstance(second, QueueFull)
    assert second.message == "The queue of the module 'load' is full: 1000 messages wait."
    assert second.retry_after_seconds
    assert isinstance(elsewhere, Sent)


def test_the_same_id_is_the_same_message(registry: Registry) -> None:
    module = registry.register()
    draft = make_draft(module.module_hash, message_id=MessageId("order-7"))
    (first,) = send(registry, draft)
    (again,) = send(registry, replace(draft, useful_until=registry.now + timedelta(days=1)))
    assert (first.is_duplicate, again.is_duplicate) == (False, True)
    assert again.message == first.message
    assert registry.store.messages.count_open(module.module_hash) == 1


def test_the_same_id_twice_at_once_is_one_message(registry: Registry) -> None:
    module = registry.register()
    draft = make_draft(module.module_hash, message_id=MessageId("order-7"))
    first, again = send(registry, draft, draft)
    assert (first.is_duplicate, again.is_duplicate) == (False, True)
    assert again.message == first.message


def test_the_id_of_a_purged_message_is_not_used_again(registry: Registry) -> None:
    module = registry.register()
    registry.store.results.insert([make_result(message_id="m1", module_hash=module.module_hash)])
    used, new = send(
        registry,
        make_draft(module.module_hash, message_id=MessageId("m1")),
        make_draft(module.module_hash, message_id=MessageId("m2")),
    )
    assert isinstance(used, Conflict)
    assert "was sent before, and is purged; its result is stored: success at" in used.message
    assert isinstance(new, Sent)
    assert registry.store.messages.read(["m1", "m2"]).keys() == {"m2"}


@pytest.mark.parametrize("other", [{"content": "1"}, {"module_hash": "0" * 64}])
def test_the_same_id_for_something_else_is_refused(
    registry: Registry, other: dict[str, Any]
) -> None:
    module = registry.register()
    draft = make_draft(module.module_hash, message_id=MessageId("order-7"))
    send(registry, draft)
    (refused,) = send(registry, replace(draft, **other))
    assert isinstance(refused, Conflict)
    assert "'order-7' exists already" in refused.message


def test_the_same_id_is_answered_though_the_module_takes_no_work_any_more(
    registry: Registry,
) -> None:
    module = registry.register()
    draft = make_draft(module.module_hash, message_id=MessageId("order-7"))
    (first,) = send(registry, draft)
    registry.store.modules.set_enabled(module.module_hash, registry.now, enabled=False)
    (again,) = send(registry, draft)
    assert again.message == first.message
    remove_module(registry.store, module.module_hash)
    (again,) = send(registry, draft)
    assert (again.message, again.module, again.is_duplicate) == (first.message, None, True)


def test_fifty_threads_that_send_the_same_id_make_one_message(registry: Registry) -> None:
    module = registry.register()
    draft = make_draft(module.module_hash, message_id=MessageId("order-7"))
    start = threading.Barrier(50)

    def send_at_once(_: int) -> Sent:
        start.wait()
        (sent,) = send(registry, draft)
        assert isinstance(sent, Sent)
        return sent

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(send_at_once, range(50)))
    assert [answer.is_duplicate for answer in answers].count(False) == 1
    assert {answer.message.id for answer in answers} == {"order-7"}
    assert registry.store.messages.count_open(module.module_hash) == 1


def test_new_ids_are_in_the_order_of_sending(registry: Registry) -> None:
    module = registry.register()
    sent = send(registry, *[make_draft(module.module_hash)] * 5)
    registry.now += timedelta(milliseconds=1)
    sent += send(registry, make_draft(module.module_hash))
    ids = [answer.message.id for answer in sent]
    assert ids == sorted(set(ids))


def test_work_for_a_kind_says_which_module_was_chosen_and_why(registry: Registry) -> None:
    registry.enrol()
    modules = {
        registry.connect(registry.register(name, mission_kind="load")).module_hash
        for name in ("a", "b")
    }
    first, second = send(registry, *[make_draft(mission_kind="load")] * 2)
    assert {first.message.module_hash, second.message.module_hash} == modules
    assert first.message.fallback == (second.message.module_hash,)
    assert first.message.chosen_because == ("the least open work (0) of 2 online with priority 100")


def test_the_same_id_for_a_kind_stays_with_its_module(registry: Registry) -> None:
    registry.enrol()
    for name in ("a", "b"):
        registry.connect(registry.register(name, mission_kind="load"))
    draft = make_draft(mission_kind="load", message_id=MessageId("order-7"))
    (first,), (again,) = send(registry, draft), send(registry, draft)
    assert again.message == first.message
    assert again.is_duplicate


def test_work_for_a_kind_of_which_none_is_online_is_refused(registry: Registry) -> None:
    registry.register(mission_kind="load")
    (refused,) = send(registry, make_draft(mission_kind="load"))
    assert isinstance(refused, NotFound)
    assert refused.message == "No module of the missionKind 'load' is online."


def test_a_fallback_takes_over_from_a_module_that_is_away(registry: Registry) -> None:
    registry.enrol()
    away, here = registry.register("away"), registry.connect(registry.register("here"))
    (sent,) = send(registry, make_draft(away.module_hash, fallback=(here.module_hash,)))
    assert sent.module is not None
    assert sent.module.name == "here"
    assert sent.message.fallback == (away.module_hash,)
    assert sent.message.chosen_because == "fallback of 'away', which is offline"


def test_work_without_anybody_left_is_refused(registry: Registry) -> None:
    hashes = [ModuleHash(digit * 64) for digit in "01"]
    (refused,) = send(registry, make_draft(hashes[0], fallback=(hashes[1],)))
    assert isinstance(refused, Conflict)


@pytest.mark.parametrize("is_first", [True, False], ids=["session first", "message first"])
@pytest.mark.parametrize("before", [None, NODE], ids=["offline", "elsewhere"])
def test_a_message_is_never_orphaned_by_a_session_that_begins_meanwhile(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, before: NodeId | None, is_first: bool
) -> None:
    module = registry.register()
    for node in (NODE, ELSEWHERE):
        registry.enrol(node)
    if before:
        registry.connect(module, node=before)
    add = registry.store.messages.add

    def begin_session() -> None:
        registry.connect(module, node=ELSEWHERE)
        # As a node does that has just got a session: it asks for what waits for its module.
        waiting = registry.store.deliveries.queued_for([module.module_hash])
        registry.store.deliveries.address([m.id for m in waiting], ELSEWHERE, registry.now)

    def add_meanwhile(messages: Any) -> Any:
        if is_first:
            begin_session()
        added = add(messages)
        if not is_first:
            begin_session()
        return added

    monkeypatch.setattr(registry.store.messages, "add", add_meanwhile)
    (sent,) = send(registry, make_draft(module.module_hash))
    assert sent.is_online
    stored = registry.store.messages.get(sent.message.id)
    assert stored is not None
    assert stored.node == ELSEWHERE


def test_work_for_a_module_that_is_deleted_meanwhile_ends(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = registry.register()
    add = registry.store.messages.add

    def delete_and_add(messages: Any) -> Any:
        remove_module(registry.store, module.module_hash)
        return add(messages)

    monkeypatch.setattr(registry.store.messages, "add", delete_and_add)
    draft = make_draft(module.module_hash, message_id=MessageId("order-7"))
    (refused,) = send(registry, draft)
    assert isinstance(refused, NotFound)
    stored = registry.store.messages.get(MessageId("order-7"))
    result = registry.store.results.get(MessageId("order-7"))
    assert stored is not None
    assert result is not None
    assert (stored.status, result.status, result.reason) == (
        MessageStatus.DEAD,
        ResultStatus.DEAD,
        EndReason.UNKNOWN_MODULE,
    )


def test_messages_of_workflows_are_addressed_when_stored_twice(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    message = make_message(module_hash=module.module_hash)
    assert [queue_messages(registry.store, [message]) for _ in range(2)] == [1, 0]
    stored = registry.store.messages.get(message.id)
    assert stored is not None
    assert stored.node == NODE
