"""What clients say of their work shows what they can, and keeps it from waiting for ever."""

from datetime import timedelta

import pytest

from shared.clock import utc_now
from shared.domain.ids import ExecutionId
from shared.domain.message import ACK_SECONDS, MessageStatus
from shared.services.message_deadlines import end_overdue
from tests.support.builders import NODE
from tests.support.work_desk import HELLO, WorkDesk, hear, hear_work, say


async def test_what_is_acknowledged_late_is_given_up_in_the_end(desk: WorkDesk) -> None:
    """It was pushed to a client that had shown nothing, and waited for nothing then."""
    connection = desk.sockets.hold("a" * 64, session="s")
    desk.send("a", timeout_seconds=60)
    await desk.dispatch()
    await desk.dispatch()
    await desk.write()
    assert desk.read("a").deadline_at is None
    say(connection, '{"type":"ack","id":"a"}')
    await desk.write()
    assert desk.read("a").status is MessageStatus.ACKED
    end_overdue(desk.store, utc_now() + timedelta(seconds=61))
    assert desk.read("a").status is MessageStatus.TIMED_OUT


async def test_a_late_hello_is_told_what_it_has_not_acknowledged_again(desk: WorkDesk) -> None:
    connection = desk.sockets.hold("a" * 64, session="s")
    desk.send("a", timeout_seconds=60)
    await desk.dispatch()
    await desk.dispatch()
    assert hear_work(connection) == [("a", 1)]
    await desk.write()
    say(connection, HELLO % 1)
    assert [one.id for one in connection.work.unacknowledged()] == ["a"]
    await desk.dispatch(ACK_SECONDS)
    assert hear_work(connection) == [("a", 2)]
    message = desk.read("a")
    assert (message.pushed_at, message.node) == (None, NODE)
    end_overdue(desk.store, utc_now() + timedelta(seconds=61))
    assert desk.read("a").status is MessageStatus.TIMED_OUT


@pytest.mark.parametrize("word", ['"info":"loading"', '"type":"progress","percent":5'])
async def test_an_earlier_client_that_tells_of_its_work_stays_one(
    desk: WorkDesk, word: str
) -> None:
    connection = desk.sockets.hold("a" * 64, session="s")
    desk.send("a", execution_id=ExecutionId("7-20260301T120000"))
    await desk.dispatch()
    await desk.dispatch()
    say(connection, f'{{"execution_id":"7-20260301T120000",{word}}}')
    say(connection, '{"type":"result","execution_id":"7-20260301T120000","status":"success"}')
    await desk.write()
    hear(connection)
    desk.send("b", execution_id=ExecutionId("7-20260301T130000"))
    await desk.dispatch()
    await desk.dispatch(4 * ACK_SECONDS)
    await desk.write()
    assert hear_work(connection) == [("b", 1)]
    assert desk.read("b").status is MessageStatus.SENT
