"""A claim is accepted or refused; a held socket becomes its module's session again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from shared.clock import utc_now
from shared.domain.actor import PLATFORM
from shared.domain.ids import NodeId
from shared.domain.module import Module
from shared.errors import DatabaseUnavailable, Forbidden, NotFound, TooManyRequests
from shared.services.module_admin import set_enabled
from shared.store import Store
from tests.support.builders import NODE
from tests.support.held_sockets import PEER, HeldSockets, close_code, until
from tests.support.registry import Registry
from tests.support.tampering import remove_module
from wsd.admission import LOOP_MEMORY_SECONDS, Admission
from wsd.connection import Connection
from wsd.database import Database
from wsd.session_writer import SessionWriter
from wsd.takeover_probe import ProbeTimes, TakeoverProbe

OTHER = NodeId("host-b:10090:1")


class Door:
    """One node that admits sockets."""

    writing: "asyncio.Task[None]"

    def __init__(self, store: Store) -> None:
        self.sockets = sockets = HeldSockets()
        self.database = Database(store, threads=2, name="store")
        self.writer = SessionWriter(self.database, sockets.hub.view, sockets.metrics)
        sockets.hub.on_session_end.append(lambda _, end: self.writer.end(end))
        times = ProbeTimes(answer_seconds=0.05, command_poll_seconds=0.05)
        probe = TakeoverProbe(sockets.hub, self.database, sockets.background, times)
        self.admission = Admission(
            sockets.hub, self.writer, probe, self.database, sockets.clock, sockets.background
        )

    async def stop_writing(self) -> None:
        self.writer.stop()
        await self.writing

    async def admit(self, module: Module) -> Connection:
        """Admit a new socket; raises what refuses it."""
        connection = self.sockets.open()
        connection.session = None  # it gets one by its claim
        await self.admission.admit(connection, module.module_hash, PEER)
        return connection


@pytest_asyncio.fixture
async def door(store: Store, registry: Registry) -> AsyncIterator[Door]:
    registry.now = utc_now()
    registry.enrol(OTHER)
    made = Door(store)
    made.sockets.hub.node = registry.enrol(NODE)
    made.writing = asyncio.create_task(made.writer.run())
    yield made
    await made.stop_writing()
    made.database.close()


@pytest.fixture
def module(registry: Registry) -> Module:
    return registry.register()


async def test_an_admitted_socket_is_held_as_the_stored_session(
    door: Door, registry: Registry, module: Module
) -> None:
    connection = await door.admit(module)
    stored = registry.read(module).session
    assert stored is not None
    assert door.sockets.hub.by_session == {stored.id: connection}
    assert connection.epoch == 1


async def test_an_unknown_and_a_disabled_module_are_refused(
    door: Door, registry: Registry, module: Module
) -> None:
    unknown = registry.register("unknown")
    remove_module(registry.store, unknown.module_hash)
    set_enabled(registry.store, module.module_hash, registry.now, PLATFORM, enabled=False)
    with pytest.raises(NotFound):
        await door.admit(unknown)
    with pytest.raises(Forbidden):
        await door.admit(module)
    assert door.sockets.hub.by_session == {}


async def test_a_node_without_a_lease_admits_no_socket(door: Door, module: Module) -> None:
    door.sockets.hub.node = None
    with pytest.raises(DatabaseUnavailable):
        await door.admit(module)


async def test_a_session_whose_handshake_was_cancelled_is_ended_when_its_socket_is_lost(
    door: Door, registry: Registry, module: Module
) -> None:
    connection = door.sockets.open()
    connection.session = None
    admitting = asyncio.create_task(door.admission.admit(connection, module.module_hash, PEER))
    await asyncio.sleep(0)
    admitting.cancel()
    await until(lambda: door.sockets.hub.by_session)
    connection.abort()
    await until(lambda: not door.admission.is_changing(module.module_hash))
    assert registry.read(module).session is None


async def take_over(door: Door, module: Module, times: int) -> list[Connection]:
    return [await door.admit(module) for _ in range(times)]


async def test_a_fourth_takeover_succeeds_when_the_incumbent_keeps_silent(
    door: Door, module: Module
) -> None:
    *_, incumbent = await take_over(door, module, 4)
    newcomer = await door.admit(module)
    assert close_code(incumbent) == 4509
    assert newcomer.is_open()


async def test_a_probed_claim_keeps_the_session_id_that_it_got_when_it_was_outrun(
    door: Door, registry: Registry, module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The neighbour takes over what was just written, and commands its first id closed."""
    await take_over(door, module, 2)
    write = registry.store.sessions.write

    def write_and_be_outrun(*args: Any) -> int:
        monkeypatch.undo()
        write(*args)
        registry.connect(module, node=OTHER, id="rival")
        return 0

    monkeypatch.setattr(registry.store.sessions, "write", write_and_be_outrun)
    connection = await door.admit(module)
    commanded = {command.session for command in registry.store.node_commands.read(NODE)}
    assert commanded
    assert connection.session is not None
    assert connection.session.session_id not in commanded


async def test_a_claim_after_the_writer_was_stopped_is_refused(
    door: Door, module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    await take_over(door, module, 4)

    async def stop(_self: Connection, _seconds: float) -> bool:
        await door.stop_writing()
        return False

    monkeypatch.setattr(Connection, "answers_ping", stop)
    async with asyncio.timeout(2):
        with pytest.raises(DatabaseUnavailable):
            await door.admit(module)


async def test_a_refused_takeover_is_remembered_for_a_moment(
    door: Door, registry: Registry, module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, incumbent = await take_over(door, module, 4)

    async def answer(_seconds: float) -> bool:
        asked.append(1)
        return True

    asked: list[int] = []
    monkeypatch.setattr(Connection, "answers_ping", lambda _self, seconds: answer(seconds))
    for _ in range(3):
        with pytest.raises(TooManyRequests):
            await door.admit(module)
    assert len(asked) == 1
    door.sockets.seconds += LOOP_MEMORY_SECONDS
    with pytest.raises(TooManyRequests):
        await door.admit(module)
    assert len(asked) == 2
    assert incumbent.is_open()
    refusals = [what for what, _ in registry.happened(module) if what == "takeover_refused"]
    assert len(refusals) == 2


async def test_a_socket_is_rebound_with_the_next_epoch(
    door: Door, registry: Registry, module: Module
) -> None:
    connection = await door.admit(module)
    collection = registry.store.modules._collection
    collection.update_one({"_id": module.module_hash}, {"$set": {"session": None}})
    await door.admission.rebind(connection)
    assert connection.epoch == 2
    assert registry.read(module).session is not None


@pytest.mark.parametrize(("fate", "code"), [("replaced", 4509), ("deleted", 4501)])
async def test_a_socket_that_is_not_rebound_is_closed_with_its_reason(
    door: Door, registry: Registry, module: Module, fate: str, code: int
) -> None:
    connection = await door.admit(module)
    if fate == "replaced":
        registry.connect(module, node=OTHER)
    else:
        remove_module(registry.store, module.module_hash)
    await door.admission.rebind(connection)
    assert close_code(connection) == code
