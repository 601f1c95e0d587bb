"""What operators cancel is told to its module, and ended when that does not heed it."""

from typing import Any

import pytest

from shared.clock import utc_now
from shared.domain.actor import PLATFORM
from shared.domain.ids import MessageId, NodeId
from shared.domain.message import CANCEL_SECONDS, EndReason, MessageStatus
from shared.domain.result import Result, ResultStatus
from shared.store.work_changes import WorkChange
from tests.support.builders import ACTOR
from tests.support.work_desk import WorkDesk, hear, result_of, say

OTHER = NodeId("host-b:10090:1")


def result(desk: WorkDesk, message_id: str) -> Result:
    found = desk.store.results.get(MessageId(message_id))
    assert found is not None
    return found


async def cancel(desk: WorkDesk, message_id: str, actor: Any = ACTOR) -> None:
    """Ask for a message to be given up, as an operator does; the stream tells."""
    assert desk.store.messages.request_cancel(MessageId(message_id), actor, utc_now())
    desk.dispatcher.hear_news(WorkChange(id=MessageId(message_id), is_cancel=True))
    await desk.dispatch()


async def test_a_cancel_is_told_once_and_the_module_may_say_so(desk: WorkDesk) -> None:
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    hear(connection)
    await cancel(desk, "a")
    await desk.dispatch()
    assert hear(connection) == ['{"type":"cancel","id":"a"}']
    say(connection, result_of("a", status="cancelled", result=None))
    await desk.write()
    stored = result(desk, "a")
    assert (stored.status, stored.reason) == (
        ResultStatus.CANCELLED,
        EndReason.MODULE_CANCELLED,
    )
    assert desk.read("a").status is MessageStatus.CANCELLED


@pytest.mark.parametrize(
    ("actor", "reason"),
    [(ACTOR, EndReason.OPERATOR), (PLATFORM, EndReason.EXECUTION_OVER)],
)
async def test_a_cancel_that_the_module_does_not_heed_ends_the_message(
    desk: WorkDesk, actor: Any, reason: EndReason
) -> None:
    desk.send("a", "b")
    connection = desk.connect()
    await desk.dispatch()
    say(connection, '{"type":"ack","id":"a"}')
    await desk.write()
    await cancel(desk, "a", actor)
    await desk.dispatch(seconds=CANCEL_SECONDS)
    await desk.write()
    assert (result(desk, "a").status, result(desk, "a").reason) == (
        ResultStatus.CANCELLED,
        reason,
    )
    say(connection, result_of("a"))
    await desk.write()
    assert len(result(desk, "a").late) == 1
    hear(connection)
    await desk.dispatch()
    assert desk.read("b").status is MessageStatus.SENT  # its place was free


async def test_a_cancel_is_seen_that_no_stream_told(desk: WorkDesk) -> None:
    connection = desk.connect()
    await desk.dispatch()  # nothing is open, and the next look is far away
    desk.send("a")
    await desk.dispatch()
    hear(connection)
    assert desk.store.messages.request_cancel(MessageId("a"), ACTOR, utc_now())
    await desk.dispatch()
    assert hear(connection) == ['{"type":"cancel","id":"a"}']


async def test_a_cancel_is_seen_when_the_stream_is_open_again(desk: WorkDesk) -> None:
    await desk.dispatch()
    desk.send("a", node=OTHER, status=MessageStatus.ACKED, attempt=1)
    connection = desk.connect()
    assert desk.store.messages.request_cancel(MessageId("a"), ACTOR, utc_now())
    desk.dispatcher.hear_news(None)
    await desk.dispatch()
    assert hear(connection) == ['{"type":"cancel","id":"a"}']


async def test_a_client_that_said_no_hello_hears_of_no_cancel(desk: WorkDesk) -> None:
    desk.send("a")
    connection = desk.sockets.hold()
    await desk.dispatch()
    await desk.dispatch()
    hear(connection)
    await cancel(desk, "a")
    assert hear(connection) == []


async def test_a_module_that_came_back_from_another_node_hears_of_a_cancel(desk: WorkDesk) -> None:
    desk.send("a", node=OTHER, status=MessageStatus.ACKED, attempt=1)
    connection = desk.connect()
    await cancel(desk, "a")
    assert hear(connection) == ['{"type":"cancel","id":"a"}']
    await desk.dispatch(seconds=CANCEL_SECONDS)
    await desk.write()
    assert result(desk, "a").reason is EndReason.OPERATOR


async def test_what_modules_of_other_nodes_have_is_left_to_those(desk: WorkDesk) -> None:
    desk.send("a", node=OTHER, status=MessageStatus.ACKED, attempt=1)
    await cancel(desk, "a")
    await desk.dispatch(seconds=CANCEL_SECONDS)
    await desk.write()
    assert desk.read("a").status is MessageStatus.ACKED
