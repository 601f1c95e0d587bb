"""A node carries out its commands: it closes sockets, at a pace, and answers probes."""

from collections.abc import Iterator

import pytest
from pymongo.errors import AutoReconnect

from shared.domain.closing import EXPIRED
from shared.domain.ids import ModuleHash, NodeId, SessionId
from shared.domain.node_command import CommandKind, NodeCommand
from shared.store import Store
from tests.support.builders import NODE, NOON, make_node
from tests.support.held_sockets import HeldSockets, close_code
from wsd.database import Database
from wsd.loops.command_poll import CommandPoll
from wsd.takeover_probe import ProbeTimes, TakeoverProbe

OTHER = NodeId("host-b:10090:1")
TIMES = ProbeTimes(answer_seconds=0.05, command_poll_seconds=0.05)


class Polling:
    """One node's poll; it carries out two commands a tick."""

    def __init__(self, store: Store) -> None:
        self.sockets = HeldSockets()
        self.store = store
        self.changing: set[ModuleHash] = set()
        self.database = Database(store, threads=1, name="store")
        background = self.sockets.background
        probe = TakeoverProbe(self.sockets.hub, self.database, background, TIMES)
        self.poll = CommandPoll(
            self.sockets.hub,
            self.database,
            probe,
            background,
            is_changing=self.changing.__contains__,
            closes_per_tick=2,
        )

    def command(self, session: str = "session-1", node: NodeId = NODE, **values: object) -> None:
        """Leave a command, as another process does."""
        values = {"kind": CommandKind.CLOSE, "closing": EXPIRED} | values
        command = NodeCommand(
            session=SessionId(session),
            node=node,
            module_hash=ModuleHash("a" * 64),
            created_at=NOON,
            **values,
        )
        self.store.node_commands.insert([command])

    def left(self, node: NodeId = NODE) -> set[str]:
        return {command.session for command in self.store.node_commands.read(node)}


@pytest.fixture
def polling(store: Store) -> Iterator[Polling]:
    made = Polling(store)
    yield made
    made.database.close()


async def test_a_socket_is_closed_as_the_command_says(polling: Polling) -> None:
    connection = polling.sockets.hold()
    neighbour = polling.sockets.hold("b" * 64, "neighbour")
    polling.command()
    await polling.poll.tick()
    assert (close_code(connection), close_code(neighbour)) == (4010, None)
    assert polling.left() == set()


async def test_the_commands_of_another_node_stay(polling: Polling) -> None:
    connection = polling.sockets.hold()
    polling.command(node=OTHER)
    await polling.poll.tick()
    assert connection.is_open()
    assert polling.left(OTHER) == {"session-1"}


async def test_the_commands_to_an_id_that_the_process_had_before_are_its_own(
    polling: Polling,
) -> None:
    connection = polling.sockets.hold()
    polling.command()
    polling.sockets.hub.become(make_node(id=NodeId("host-a:10090:2")))
    assert await polling.poll.sessions_to_close() == {"session-1"}
    await polling.poll.tick()
    assert close_code(connection) == 4010
    assert polling.left() == set()


async def test_closing_is_paced(polling: Polling) -> None:
    connections = [polling.sockets.hold(f"{n:064x}", f"session-{n}") for n in range(5)]
    for number in range(5):
        polling.command(f"session-{number}")
    counts = []
    for _ in range(3):
        await polling.poll.tick()
        counts.append(sum(close_code(connection) == 4010 for connection in connections))
    assert counts == [2, 4, 5]


async def test_a_command_about_a_session_that_is_gone_is_removed(polling: Polling) -> None:
    polling.command()
    await polling.poll.tick()
    assert polling.left() == set()


async def test_a_command_waits_for_a_claim_under_way(polling: Polling) -> None:
    polling.changing.add(ModuleHash("a" * 64))
    polling.command()
    await polling.poll.tick()
    assert polling.left() == {"session-1"}
    polling.changing.clear()
    connection = polling.sockets.hold()
    await polling.poll.tick()
    assert close_code(connection) == 4010


async def test_the_sessions_to_close_are_those_of_commands_not_carried_out(
    polling: Polling,
) -> None:
    polling.command("session-1")
    polling.command("session-2", kind=CommandKind.PROBE)
    assert await polling.poll.sessions_to_close() == {"session-1"}


async def test_a_probe_is_answered(polling: Polling) -> None:
    polling.sockets.hold()  # its peer never answers
    polling.command(kind=CommandKind.PROBE)
    polling.command("gone", kind=CommandKind.PROBE)
    await polling.poll.tick()
    await polling.sockets.background.wait()
    assert polling.left() == set()
    documents = polling.store.node_commands._collection.find({})
    assert {d["session"]: d["answered"] for d in documents} == {"session-1": False, "gone": False}


async def test_a_probe_that_could_not_be_answered_is_answered_by_the_next_poll(
    polling: Polling, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_values: object) -> None:
        raise AutoReconnect("away")

    polling.command(kind=CommandKind.PROBE)
    with monkeypatch.context() as broken:
        broken.setattr(polling.store.node_commands, "answer", fail)
        await polling.poll.tick()
        await polling.sockets.background.wait()
    assert polling.left() == {"session-1"}
    await polling.poll.tick()
    await polling.sockets.background.wait()
    assert polling.left() == set()


async def test_a_node_without_a_lease_has_no_commands(polling: Polling) -> None:
    polling.sockets.hub.node = None
    assert await polling.poll.tick() is False
