"""An incumbent is asked once, here or on its node, however many newcomers wait."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from shared.domain.ids import ModuleHash, NodeId, SessionId
from shared.store import Store
from tests.support.builders import make_session
from tests.support.held_sockets import HeldSockets, until
from wsd import takeover_probe
from wsd.connection import PROBE, Connection
from wsd.database import Database
from wsd.takeover_probe import ProbeTimes, TakeoverProbe

OTHER = NodeId("host-b:10090:1")
MODULE = ModuleHash("a" * 64)
TIMES = ProbeTimes(answer_seconds=0.1, command_poll_seconds=0.1)


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(takeover_probe, "ANSWER_POLL_SECONDS", 0.01)


@pytest.fixture
async def sockets() -> HeldSockets:
    return HeldSockets()


@pytest_asyncio.fixture
async def probe(store: Store, sockets: HeldSockets) -> AsyncIterator[TakeoverProbe]:
    database = Database(store, threads=2, name="store")
    yield TakeoverProbe(sockets.hub, database, sockets.background, TIMES)
    database.close()


def count_pings(connection: Connection) -> int:
    return bytes(connection._transport.written).count(PROBE)


async def test_an_incumbent_of_this_node_that_answers_is_alive(
    probe: TakeoverProbe, sockets: HeldSockets
) -> None:
    connection = sockets.hold()
    asking = asyncio.create_task(probe.is_answering(MODULE, make_session()))
    await until(lambda: count_pings(connection))
    connection._settle_probe(is_answered=True)
    assert await asking is True


async def test_an_incumbent_of_this_node_that_keeps_silent_is_not(
    probe: TakeoverProbe, sockets: HeldSockets
) -> None:
    sockets.hold()
    assert await probe.is_answering(MODULE, make_session()) is False


async def test_an_incumbent_whose_socket_is_gone_does_not_answer(probe: TakeoverProbe) -> None:
    assert await probe.is_answering(MODULE, make_session()) is False


async def test_many_newcomers_share_one_question(
    probe: TakeoverProbe, sockets: HeldSockets
) -> None:
    connection = sockets.hold()
    answers = await asyncio.gather(*(probe.is_answering(MODULE, make_session()) for _ in range(5)))
    assert answers == [False] * 5
    assert count_pings(connection) == 1


async def test_a_newcomer_that_goes_away_does_not_spoil_the_question_of_the_others(
    probe: TakeoverProbe, sockets: HeldSockets
) -> None:
    connection = sockets.hold()
    leaving = asyncio.create_task(probe.is_answering(MODULE, make_session()))
    staying = asyncio.create_task(probe.is_answering(MODULE, make_session()))
    await until(lambda: count_pings(connection))
    leaving.cancel()
    connection._settle_probe(is_answered=True)
    assert await staying is True


@pytest.mark.parametrize("is_alive", [True, False])
async def test_another_node_is_asked_by_a_command_and_answers_it(
    probe: TakeoverProbe, store: Store, is_alive: bool
) -> None:
    incumbent = make_session(node=OTHER)
    asking = asyncio.create_task(probe.is_answering(MODULE, incumbent))
    await until(lambda: store.node_commands.read(OTHER))
    (command,) = store.node_commands.read(OTHER)
    store.node_commands.answer(command, alive=is_alive)
    assert await asking is is_alive
    assert list(store.node_commands._collection.find({})) == []


async def test_another_node_that_does_not_answer_counts_as_silence(
    probe: TakeoverProbe, store: Store
) -> None:
    incumbent = make_session(id=SessionId("far"), node=OTHER)
    assert await probe.is_answering(MODULE, incumbent) is False
    assert store.node_commands.read(OTHER) == []
