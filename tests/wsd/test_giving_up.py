"""A message that no session acknowledged is given up after a number of tries in all."""

from collections.abc import AsyncIterator

import pytest_asyncio

from shared.clock import utc_now
from shared.domain.delivery import Tried
from shared.domain.ids import MessageId
from shared.domain.message import ACK_SECONDS, ATTEMPTS_IN_ALL, EndReason, MessageStatus
from shared.store import Store
from tests.support.work_desk import WorkDesk, hear_work


@pytest_asyncio.fixture
async def desk(store: Store) -> AsyncIterator[WorkDesk]:
    made = WorkDesk(store)
    yield made
    made.database.close()


async def test_a_message_over_which_its_module_dies_every_time_is_given_up_in_the_end(
    desk: WorkDesk,
) -> None:
    desk.send("a", "b")
    for attempt in range(1, ATTEMPTS_IN_ALL + 1):
        connection = desk.connect()
        await desk.dispatch()
        assert hear_work(connection) == [("a", attempt)]
        connection.abort()
        desk.store.deliveries.requeue([Tried(id=MessageId("a"), attempt=attempt)], utc_now())
    connection = desk.connect()
    await desk.dispatch()
    await desk.write()
    assert hear_work(connection) == [("b", 1)]
    assert desk.read("a").status is MessageStatus.DEAD
    result = desk.store.results.get(MessageId("a"))
    assert result is not None
    assert (result.reason, result.attempt) == (EndReason.NO_ACK, ATTEMPTS_IN_ALL)


async def test_the_last_try_of_all_is_not_repeated_in_its_session(desk: WorkDesk) -> None:
    desk.send("a", attempt=ATTEMPTS_IN_ALL - 1)
    connection = desk.connect()
    await desk.dispatch()
    await desk.dispatch(seconds=ACK_SECONDS)
    await desk.write()
    assert hear_work(connection) == [("a", ATTEMPTS_IN_ALL)]
    assert desk.read("a").status is MessageStatus.DEAD
