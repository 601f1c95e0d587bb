"""What waits is found, recorded, pushed, and pushed again, over a real database."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from shared.clock import utc_now
from shared.domain.ids import ExecutionId, MessageId, NodeId
from shared.domain.message import ACK_SECONDS, EndReason, MessageStatus
from shared.domain.result import Result, ResultStatus
from shared.services.ending import end_messages
from shared.settings import Settings
from shared.store import Store, connect
from shared.store.work_changes import WorkChange
from tests.support.builders import NODE
from tests.support.command_log import CommandLog
from tests.support.work_desk import HELLO, WorkDesk, hear, hear_work, result_of, say
from wsd import inbox
from wsd.dispatcher import OUTBOX_ENOUGH_BYTES

OTHER = NodeId("host-b:10090:1")


def result(desk: WorkDesk, message_id: str) -> Result:
    found = desk.store.results.get(MessageId(message_id))
    assert found is not None
    return found


async def test_an_attempt_is_recorded_before_the_frame_goes_out(
    desk: WorkDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.send("a", timeout_seconds=60)
    connection = desk.connect()
    send_work, seen = type(connection).send_work, []
    monkeypatch.setattr(
        type(connection),
        "send_work",
        lambda self, data: seen.append(desk.read("a")) or send_work(self, data),
    )
    await desk.dispatch()
    (at_push,) = seen
    assert (at_push.status, at_push.attempt, at_push.node) == (MessageStatus.SENT, 1, NODE)
    assert at_push.sent_at is not None
    assert at_push.deadline_at == at_push.sent_at + timedelta(seconds=60)
    assert hear_work(connection) == [("a", 1)]


async def test_a_message_that_ended_meanwhile_is_not_pushed(desk: WorkDesk) -> None:
    desk.send("a", "b")
    connection = desk.connect()
    desk.dispatcher._unread.clear()
    desk.dispatcher._enqueue(desk.store.deliveries.queued_for(["a" * 64]))
    desk.store.deliveries.finish([MessageId("a")], MessageStatus.CANCELLED, utc_now())
    await desk.dispatch()
    assert hear_work(connection) == [("b", 1)]


async def test_a_module_that_connects_finds_its_queue_wherever_it_is_addressed(
    desk: WorkDesk,
) -> None:
    desk.send("a", node=None)
    desk.send("b", node=OTHER)
    connection = desk.connect(in_flight=5)
    await desk.dispatch()
    assert hear_work(connection) == [("a", 1), ("b", 1)]


@pytest.mark.parametrize("others", [0, 400])
async def test_many_modules_that_connect_at_once_find_their_queues(
    desk: WorkDesk, others: int
) -> None:
    """Whether little or a lot waits for modules that are not here."""
    modules = [f"{n:064}" for n in range(30)]
    for n, module_hash in enumerate(modules):
        desk.send(f"m-{n}", module_hash=module_hash, node=None)
    if others:
        desk.send(*(f"other-{n}" for n in range(others)), module_hash="f" * 64, node=None)
    sockets = [desk.sockets.hold(module_hash, session=module_hash) for module_hash in modules]
    for connection in sockets:
        say(connection, HELLO % 1)
    await desk.dispatch()
    assert [hear_work(connection) for connection in sockets] == [[(f"m-{n}", 1)] for n in range(30)]


async def test_a_full_round_finds_what_was_addressed_elsewhere(desk: WorkDesk) -> None:
    connection = desk.connect(in_flight=5)
    await desk.dispatch()
    desk.send("a", node=OTHER, created_at=utc_now() - timedelta(hours=1))
    await desk.dispatch(seconds=20.0)
    assert hear_work(connection) == [("a", 1)]


async def test_the_change_stream_names_what_is_read_at_once(desk: WorkDesk) -> None:
    connection = desk.connect(in_flight=5)
    await desk.dispatch()
    desk.send("a")
    desk.dispatcher.hear_news(WorkChange(id=MessageId("a"), is_cancel=False))
    await desk.dispatch(seconds=0.0)
    assert hear_work(connection) == [("a", 1)]


@pytest.mark.parametrize(
    ("first", "together"), [(("a", "b"), True), (("a",), False)], ids=["several", "a single one"]
)
async def test_while_several_messages_come_the_next_ones_are_gathered(
    desk: WorkDesk, first: tuple[str, ...], together: bool
) -> None:
    connection = desk.connect(in_flight=10)
    desk.send(*first)
    await desk.dispatch()
    desk.send("c", "d")
    desk.dispatcher.hear_news(WorkChange(id=MessageId("c"), is_cancel=False))
    tick = asyncio.create_task(desk.dispatcher.tick())
    await asyncio.sleep(0)
    desk.dispatcher.hear_news(WorkChange(id=MessageId("d"), is_cancel=False))
    await tick
    assert (desk.read("c").push == desk.read("d").push) is together
    assert hear_work(connection)


async def test_a_modules_long_queue_holds_up_no_other(desk: WorkDesk) -> None:
    desk.send(*(f"a-{n:03}" for n in range(300)))
    busy, idle = desk.connect(), desk.connect(module_hash="b" * 64)
    await desk.dispatch()
    assert hear_work(busy) == [("a-000", 1)]
    desk.send("b", module_hash="b" * 64)
    await desk.dispatch()
    assert hear_work(idle) == [("b", 1)]


async def test_a_tick_at_rest_is_one_query(settings: Settings, store: Store) -> None:
    sent = CommandLog()
    desk = WorkDesk(connect(settings, event_listeners=[sent]))
    desk.connect()
    await desk.dispatch()
    before = len(sent.collections())
    await desk.dispatch()
    await desk.dispatch()
    assert sent.collections()[before:] == ["messages"] * 2
    desk.database.close()
    desk.database.store.close()


async def test_what_is_not_acknowledged_is_pushed_again_and_then_dead(desk: WorkDesk) -> None:
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    for attempt in (1, 2, 3):
        assert hear_work(connection) == [("a", attempt)]
        assert desk.read("a").attempt == attempt
        await desk.dispatch(seconds=ACK_SECONDS)
    await desk.write()
    assert hear_work(connection) == []
    assert desk.read("a").status is MessageStatus.DEAD
    stored = result(desk, "a")
    assert (stored.status, stored.reason) == (ResultStatus.DEAD, EndReason.NO_ACK)
    assert (stored.attempt, stored.is_by_module) == (3, False)


async def test_a_late_acknowledgement_of_an_attempt_ends_the_tries(desk: WorkDesk) -> None:
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    await desk.dispatch(seconds=ACK_SECONDS)
    say(connection, '{"type":"ack","id":"a"}')
    await desk.write()
    hear(connection)
    await desk.dispatch(seconds=5 * ACK_SECONDS)
    assert hear_work(connection) == []
    assert (desk.read("a").status, desk.read("a").attempt) == (MessageStatus.ACKED, 2)


@pytest.mark.parametrize("call", ["queued_lately", "mark_sent", "read_sent"])
@pytest.mark.parametrize("is_result", [True, False])
async def test_what_is_answered_while_it_is_to_be_pushed_again_is_not(
    desk: WorkDesk, monkeypatch: pytest.MonkeyPatch, call: str, is_result: bool
) -> None:
    desk.send("a", start_timeout_seconds=30)
    connection = desk.connect()
    await desk.dispatch()
    hear(connection)
    answered, real = [], getattr(desk.store.deliveries, call)

    def answer(*args: Any) -> Any:
        if not answered:
            answered.append(result_of("a") if is_result else '{"type":"ack","id":"a"}')
            say(connection, answered[0])
        return real(*args)

    monkeypatch.setattr(desk.store.deliveries, call, answer)
    await desk.dispatch(ACK_SECONDS)
    assert hear_work(connection) == []
    await desk.write()
    assert answered
    status = MessageStatus.SUCCEEDED if is_result else MessageStatus.ACKED
    assert desk.read("a").status is status
    await desk.dispatch(ACK_SECONDS)
    assert hear_work(connection) == []


async def test_a_socket_that_closes_before_its_push_gets_nothing_recorded_in_vain(
    desk: WorkDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.send("a")
    connection = desk.connect()
    read_sent = desk.store.deliveries.read_sent

    def close_meanwhile(ids: Sequence[MessageId], push: str) -> Any:
        desk.sockets.hub.by_session.clear()
        connection._transport.is_cut = True
        connection.work = None
        return read_sent(ids, push)

    monkeypatch.setattr(desk.store.deliveries, "read_sent", close_meanwhile)
    await desk.dispatch()
    await desk.write()
    assert hear_work(connection) == []
    message = desk.read("a")
    assert (message.status, message.node, message.attempt) == (MessageStatus.QUEUED, None, 1)


@pytest.mark.parametrize("is_written", [True, False])
@pytest.mark.parametrize("is_again", [True, False])
async def test_a_failed_batch_is_undone_and_its_messages_are_pushed(
    desk: WorkDesk, monkeypatch: pytest.MonkeyPatch, is_written: bool, is_again: bool
) -> None:
    desk.send("a", "b")
    connection = desk.connect(in_flight=2)
    if is_again:
        await desk.dispatch()
        hear(connection)
        desk.seconds += ACK_SECONDS
    mark_sent = desk.store.deliveries.mark_sent

    def fail(*args: Any) -> None:
        if is_written:
            mark_sent(*args)
        raise AutoReconnect

    monkeypatch.setattr(desk.store.deliveries, "mark_sent", fail)
    with pytest.raises(AutoReconnect):
        await desk.dispatch()
    monkeypatch.setattr(desk.store.deliveries, "mark_sent", mark_sent)
    await desk.dispatch()
    attempt = 1 + is_written + is_again
    assert hear_work(connection) == [("a", attempt), ("b", attempt)]
    assert desk.read("a").attempt == attempt


async def test_a_message_whose_result_is_stored_is_ended_instead_of_pushed_again(
    desk: WorkDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a node leaves it that is killed between a result and the status that follows it."""
    (message,) = desk.send("a")
    desk.connect()
    await desk.dispatch()
    with monkeypatch.context() as killed:
        killed.setattr(desk.store.deliveries, "finish", lambda *_: None)
        sent = desk.read("a")
        end_messages(desk.store, [result_like(sent)], utc_now())
    desk.store._database["messages"].update_one({"_id": "a"}, {"$set": {"status": "queued"}})
    other = desk.connect(module_hash="b" * 64)
    desk.sockets.hub.by_module[message.module_hash] = other
    other.session.module_hash = message.module_hash
    await desk.dispatch(seconds=20.0)
    assert hear_work(other) == []
    assert desk.read("a").status is MessageStatus.SUCCEEDED


def result_like(message: Any) -> Result:
    return Result(
        message_id=message.id,
        module_hash=message.module_hash,
        at=utc_now(),
        status=ResultStatus.SUCCESS,
        is_by_module=True,
    )


async def test_a_reader_that_is_slow_gets_no_more_until_it_has_read(desk: WorkDesk) -> None:
    desk.send("a", "b")
    connection = desk.connect(in_flight=5)
    connection._transport.unread_bytes = OUTBOX_ENOUGH_BYTES + 1
    await desk.dispatch()
    assert hear_work(connection) == []
    assert desk.read("a").status is MessageStatus.QUEUED
    connection._transport.unread_bytes = 0
    await desk.dispatch()
    assert hear_work(connection) == [("a", 1), ("b", 1)]


async def test_an_earlier_client_is_sent_all_once_and_nothing_looks_at_it_again(
    desk: WorkDesk,
) -> None:
    execution = ExecutionId("7-20260301T120000")
    desk.send("a")
    desk.send("b", execution_id=execution)
    connection = desk.sockets.hold()
    await desk.dispatch()
    assert hear_work(connection) == []  # it may still say hello
    await desk.dispatch(seconds=1.0)
    assert hear_work(connection) == [("a", 1), ("b", 1)]
    await desk.write()
    await desk.dispatch(seconds=5 * ACK_SECONDS)
    assert hear_work(connection) == []
    a, b = desk.read("a"), desk.read("b")
    assert (a.status, a.node, a.deadline_at) == (MessageStatus.SENT, None, None)
    assert (b.status, b.node, b.deadline_at is None) == (MessageStatus.SENT, None, False)
    assert a.pushed_at is not None


async def test_a_spoilt_message_holds_up_no_other(desk: WorkDesk) -> None:
    connection = desk.connect(in_flight=2)
    desk.send("a", "b")
    spoilt = {"$set": {"priority": "high"}}
    desk.store._database["messages"].update_one({"_id": "a"}, spoilt)
    await desk.dispatch()
    assert sorted(hear_work(connection)) == [("a", 1), ("b", 1)]


async def test_no_more_is_pushed_while_many_results_wait_to_be_stored(
    desk: WorkDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MAX_OPERATIONS", 2)
    desk.send("a", "b", "c", "d")
    connection, woken = desk.connect(in_flight=3), []
    desk.dispatcher.wake = lambda: woken.append(True)
    await desk.dispatch()
    assert len(hear_work(connection)) == 3
    for one in "abc":
        say(connection, result_of(one))
    await desk.dispatch()
    assert hear_work(connection) == []
    woken.clear()
    await desk.write()
    assert woken
    hear(connection)
    await desk.dispatch(seconds=0)
    assert hear_work(connection) == [("d", 1)]


async def test_nothing_is_pushed_by_a_node_that_stops(desk: WorkDesk) -> None:
    desk.send("a")
    connection = desk.connect()
    desk.sockets.hub.is_stopping = True
    await desk.dispatch()
    assert hear_work(connection) == []
    assert desk.read("a").status is MessageStatus.QUEUED
