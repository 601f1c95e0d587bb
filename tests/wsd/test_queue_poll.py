"""What was addressed lately is polled: more often without a change stream, which rests under load."""

import asyncio
from datetime import timedelta

import pytest
import uvloop

from shared.clock import utc_now
from tests.support.work_desk import WorkDesk, hear_work
from wsd.dispatcher import MANY_PUSHES
from wsd.queue_poll import OFTEN_SECONDS


async def test_the_poll_finds_what_was_queued_lately(desk: WorkDesk) -> None:
    connection = desk.connect(in_flight=5)
    await desk.dispatch()
    desk.send("a")
    await desk.dispatch()
    assert hear_work(connection) == [("a", 1)]


async def test_a_sender_whose_clock_is_late_is_found_by_the_wide_poll(desk: WorkDesk) -> None:
    connection = desk.connect(in_flight=5)
    await desk.dispatch()
    desk.send("a", created_at=utc_now() - timedelta(seconds=30))
    await desk.dispatch()
    assert hear_work(connection) == []
    await desk.dispatch(seconds=10.0)
    assert hear_work(connection) == [("a", 1)]


async def test_without_a_stream_the_polls_come_often(desk: WorkDesk) -> None:
    connection = desk.connect(in_flight=5)
    await desk.dispatch()
    desk.dispatcher.is_stream_open = lambda: False
    woken = asyncio.Event()
    desk.dispatcher.wake = woken.set
    desk.send("a")
    await desk.dispatch(seconds=OFTEN_SECONDS)
    assert hear_work(connection) == [("a", 1)]
    await asyncio.wait_for(woken.wait(), 5)


def test_a_poll_that_is_due_at_once_wakes_the_daemons_own_kind_of_loop(desk: WorkDesk) -> None:
    """Its handles of calls that are due already have no time."""

    async def come_back() -> None:
        desk.dispatcher.wake = (woken := asyncio.Event()).set
        for _ in range(2):
            desk.dispatcher._come_back_in(0)
            await asyncio.wait_for(woken.wait(), 5)
            woken.clear()

    uvloop.run(come_back())


def test_a_wake_that_the_daemons_own_kind_of_loop_gives_too_early_is_followed_by_another(
    desk: WorkDesk,
) -> None:
    """It counts whole milliseconds."""

    async def come_back_twice() -> None:
        desk.dispatcher.wake = (woken := asyncio.Event()).set
        desk.dispatcher._come_back_in(0.0104)
        await asyncio.wait_for(woken.wait(), 5)
        woken.clear()
        desk.dispatcher._come_back_in(0.001)
        await asyncio.wait_for(woken.wait(), 5)

    uvloop.run(come_back_twice())


async def test_with_a_stream_nothing_is_polled_between_the_seconds(desk: WorkDesk) -> None:
    connection = desk.connect(in_flight=5)
    await desk.dispatch()
    desk.send("a")
    await desk.dispatch(seconds=OFTEN_SECONDS)
    assert hear_work(connection) == []


@pytest.mark.parametrize(("count", "rests"), [(MANY_PUSHES, 1), (MANY_PUSHES - 1, 0)])
async def test_the_stream_rests_while_much_is_pushed(
    desk: WorkDesk, count: int, rests: int
) -> None:
    desk.connect(in_flight=count)
    rested: list[None] = []
    desk.dispatcher.rest_stream = lambda: rested.append(None)
    desk.send(*(f"m{n}" for n in range(count)))
    await desk.dispatch()
    assert len(rested) == rests
