"""What another process ended, or took back, keeps no place in a session."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from shared.clock import utc_now
from shared.domain.delivery import Tried
from shared.domain.ids import MessageId
from shared.domain.message import ACK_SECONDS, MessageStatus
from shared.services.message_deadlines import end_overdue
from shared.settings import Settings
from shared.store import Store, connect
from shared.store.work_changes import WorkChange
from tests.support.builders import ACTOR
from tests.support.command_log import CommandLog
from tests.support.work_desk import WorkDesk, hear_work, say
from wsd.connection import Connection
from wsd.ends import CHECKED_AT_ONCE

ENDS = [
    MessageStatus.TIMED_OUT,
    MessageStatus.CANCELLED,
    MessageStatus.EXPIRED,
    MessageStatus.SUCCEEDED,
]


@pytest_asyncio.fixture
async def desk(store: Store) -> AsyncIterator[WorkDesk]:
    made = WorkDesk(store)
    yield made
    made.database.close()


async def begin_one_of_two(desk: WorkDesk, **overrides: object) -> Connection:
    """Have a module that takes one message at a time acknowledge the first of two."""
    desk.send("a", **overrides)
    desk.send("b")
    connection = desk.connect()
    await desk.dispatch()
    say(connection, '{"type":"ack","id":"a"}')
    await desk.write()
    assert hear_work(connection) == [("a", 1)]
    return connection


def end_elsewhere(desk: WorkDesk, *ids: str, status: MessageStatus) -> None:
    desk.store.deliveries.finish([MessageId(one) for one in ids], status, utc_now())


async def test_what_the_worker_timed_out_makes_room_at_once(desk: WorkDesk) -> None:
    connection = await begin_one_of_two(desk, timeout_seconds=5)
    end_overdue(desk.store, utc_now() + timedelta(seconds=5))
    assert desk.read("a").status is MessageStatus.TIMED_OUT
    await desk.dispatch(seconds=6.0)
    assert hear_work(connection) == [("b", 1)]


async def test_what_was_not_begun_in_time_makes_room_as_soon(desk: WorkDesk) -> None:
    desk.send("a", start_timeout_seconds=5.0)
    desk.send("b")
    connection = desk.connect()
    await desk.dispatch()
    end_elsewhere(desk, "a", status=MessageStatus.TIMED_OUT)
    await desk.dispatch(seconds=6.0)
    assert hear_work(connection) == [("a", 1), ("b", 1)]


async def test_while_the_worker_is_late_a_place_stays_taken_and_is_looked_at_again(
    desk: WorkDesk,
) -> None:
    connection = await begin_one_of_two(desk, timeout_seconds=2)
    await desk.dispatch(seconds=3.0)
    assert hear_work(connection) == []
    end_elsewhere(desk, "a", status=MessageStatus.TIMED_OUT)
    await desk.dispatch(seconds=1.0)
    assert hear_work(connection) == [("b", 1)]


@pytest.mark.parametrize("status", ENDS)
async def test_a_round_finds_what_was_ended_elsewhere(
    desk: WorkDesk, status: MessageStatus
) -> None:
    connection = await begin_one_of_two(desk)
    end_elsewhere(desk, "a", status=status)
    await desk.dispatch(seconds=20.0)
    assert hear_work(connection) == [("b", 1)]


async def test_a_round_finds_what_was_purged(desk: WorkDesk) -> None:
    connection = await begin_one_of_two(desk)
    desk.store._database["messages"].delete_one({"_id": "a"})
    await desk.dispatch(seconds=20.0)
    assert hear_work(connection) == [("b", 1)]


async def test_a_round_finds_what_was_put_back_and_pushes_it_again(desk: WorkDesk) -> None:
    """As the sweep of a node that was taken for dead does, while an acknowledgement is on its way."""
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    desk.store.deliveries.requeue([Tried(id=MessageId("a"), attempt=1)], utc_now())
    say(connection, '{"type":"ack","id":"a"}')
    await desk.write()
    await desk.dispatch(seconds=20.0)
    await desk.dispatch()
    assert hear_work(connection) == [("a", 1), ("a", 2)]


async def test_the_change_stream_tells_of_an_end_at_once(desk: WorkDesk) -> None:
    connection = await begin_one_of_two(desk)
    end_elsewhere(desk, "a", status=MessageStatus.CANCELLED)
    change = WorkChange(id=MessageId("a"), is_cancel=False, is_end=True)
    desk.dispatcher.hear_news(change)
    await desk.dispatch(seconds=0.0)
    assert hear_work(connection) == [("b", 1)]


async def test_what_waits_and_was_cancelled_is_forgotten(desk: WorkDesk) -> None:
    waiting = [f"w-{n}" for n in range(CHECKED_AT_ONCE + 1)]
    connection = await begin_one_of_two(desk)
    desk.send(*waiting)
    await desk.dispatch()
    end_elsewhere(desk, "b", *waiting, status=MessageStatus.CANCELLED)
    await desk.dispatch(seconds=20.0)
    assert connection.work is not None
    assert connection.work.waiting == []


async def test_what_a_module_still_works_on_keeps_its_place(desk: WorkDesk) -> None:
    connection = await begin_one_of_two(desk)
    for _ in range(3):
        await desk.dispatch(seconds=20.0)
    assert hear_work(connection) == []


async def test_what_is_held_is_looked_up_in_groups_and_seldom(
    settings: Settings, store: Store
) -> None:
    sent = CommandLog()
    desk = WorkDesk(connect(settings, event_listeners=[sent]))
    connection = desk.connect(in_flight=40)
    desk.send(*(f"m-{n}" for n in range(40)))
    await desk.dispatch()
    for message_id, _ in hear_work(connection):
        say(connection, f'{{"type":"ack","id":"{message_id}"}}')
    await desk.write()
    await desk.dispatch(seconds=20.0)
    before = len(sent.collections())
    for _ in range(19):
        await desk.dispatch()
    at_rest = len(sent.collections()) - before
    await desk.dispatch()
    desk.database.close()
    desk.database.store.close()
    assert at_rest <= 3 * 19
    assert len(sent.collections()) - before - at_rest <= 6


async def test_what_is_to_be_given_up_is_not_pushed_again(desk: WorkDesk) -> None:
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    assert desk.store.messages.request_cancel([MessageId("a")], ACTOR, utc_now())
    await desk.dispatch(seconds=ACK_SECONDS - 1)
    await desk.dispatch(seconds=1.0)
    assert hear_work(connection) == [("a", 1)]
    assert desk.read("a").attempt == 1


async def test_what_is_to_be_given_up_is_not_begun(desk: WorkDesk) -> None:
    """As between the wish to cancel and the end that follows it."""
    desk.send("a")
    desk.store._database["messages"].update_one(
        {"_id": "a"}, {"$set": {"cancel_requested_at": utc_now()}}
    )
    connection = desk.connect()
    await desk.dispatch()
    assert hear_work(connection) == []
    assert desk.read("a").attempt == 0
