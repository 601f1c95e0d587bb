"""A round makes sockets and database agree, whichever of them is right."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from shared.clock import utc_now
from shared.domain.actor import PLATFORM
from shared.domain.ids import NodeId
from shared.domain.module import Module
from shared.services.module_admin import expire_modules, set_enabled
from shared.services.nodes import sweep
from shared.store import Store
from tests.support.builders import NODE
from tests.support.held_sockets import HeldSockets, close_code, until
from tests.support.registry import Registry
from tests.support.tampering import remove_module
from wsd.admission import Admission
from wsd.connection import Connection
from wsd.database import Database
from wsd.loops.command_poll import CommandPoll
from wsd.loops.reconciler import Reconciler
from wsd.session_writer import SessionWriter
from wsd.takeover_probe import ProbeTimes, TakeoverProbe

OTHER = NodeId("host-b:10090:1")
INTERVAL_SECONDS = 30.0


class Reconciling:
    """One node with all that its rounds take, and a registry to disagree with."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self.registry = registry
        self.sockets = sockets = HeldSockets()
        hub, background = sockets.hub, sockets.background
        self.database = database = Database(store, threads=1, name="store")
        self.writer = SessionWriter(database, hub.view, sockets.metrics)
        probe = TakeoverProbe(
            hub, database, background, ProbeTimes(answer_seconds=1, command_poll_seconds=1)
        )
        self.admission = Admission(hub, self.writer, probe, database, sockets.clock, background)
        commands = CommandPoll(
            hub,
            database,
            probe,
            background,
            is_changing=self.admission.is_changing,
            closes_per_tick=0,
        )
        self.reconciler = Reconciler(
            hub,
            database,
            self.admission,
            self.writer,
            commands,
            sockets.clock,
            background,
            interval_seconds=INTERVAL_SECONDS,
        )

    def connect(self, module: Module) -> Connection:
        """Connect a module to this node, in the database and for real."""
        stored = self.registry.connect(module)
        assert stored.session is not None
        return self.sockets.hold(module.module_hash, stored.session.id, stored.epoch)

    def end(self, module: Module) -> None:
        """Have the database lose a session by mistake."""
        collection = self.registry.store.modules._collection
        collection.update_one({"_id": module.module_hash}, {"$set": {"session": None}})

    async def make_round(self) -> None:
        """Make a round, and let all that it queued be written."""
        await self.reconciler.tick()
        await self.sockets.background.wait()
        await until(lambda: not self.writer.count_waiting() and not self.writer._in_flight)


@pytest_asyncio.fixture
async def node(store: Store, registry: Registry) -> AsyncIterator[Reconciling]:
    registry.now = utc_now()
    registry.enrol(OTHER)
    made = Reconciling(store, registry)
    made.sockets.hub.node = registry.enrol(NODE)
    writing = asyncio.create_task(made.writer.run())
    yield made
    made.writer.stop()
    await writing
    made.database.close()


@pytest.fixture
def module(registry: Registry) -> Module:
    return registry.register()


async def test_what_agrees_stays_as_it_is(
    node: Reconciling, registry: Registry, module: Module
) -> None:
    connection = node.connect(module)
    before = registry.read(module)
    await node.make_round()
    assert registry.read(module) == before
    assert connection.is_open()


async def test_a_session_without_a_socket_is_ended_and_its_history_made_whole(
    node: Reconciling, registry: Registry, module: Module
) -> None:
    held = node.connect(registry.register("held"))
    registry.connect(module)
    registry.store.events._collection.delete_many({"what": "online"})  # killed before it was told
    await node.make_round()
    assert registry.read(module).session is None
    assert registry.happened(module)[1:] == [("online", None), ("offline", "connection_lost")]
    assert held.is_open()


async def test_a_session_whose_claim_is_under_way_is_left_alone(
    node: Reconciling, registry: Registry, module: Module
) -> None:
    stored = registry.connect(module)
    with node.admission._claim_under_way(module.module_hash):
        await node.make_round()
    assert registry.read(module) == stored


async def test_a_socket_that_the_database_forgot_is_rebound(
    node: Reconciling, registry: Registry, module: Module
) -> None:
    connection = node.connect(module)
    node.end(module)
    await node.make_round()
    stored = registry.read(module)
    assert stored.session is not None
    assert connection.session is not None
    assert (stored.session.id, stored.epoch) == (connection.session.session_id, 2)
    assert connection.epoch == 2


async def test_a_silent_socket_is_not_rebound(
    node: Reconciling, registry: Registry, module: Module
) -> None:
    connection = node.connect(module)
    node.end(module)
    node.sockets.seconds += INTERVAL_SECONDS + 1
    await node.make_round()
    assert registry.read(module).session is None
    assert connection.is_open()


async def test_sockets_move_to_the_new_id_of_a_node_that_was_declared_dead(
    node: Reconciling, registry: Registry, module: Module
) -> None:
    connection = node.connect(module)
    again = registry.enrol(NodeId("host-a:10090:2"))
    node.sockets.hub.node = again
    await node.make_round()
    stored = registry.read(module)
    assert stored.session is not None
    assert stored.session.node == again.id
    assert connection.is_open()
    assert [what for what, _ in registry.happened(module)][1:] == ["online", "offline", "online"]


async def test_a_socket_whose_module_went_to_another_node_is_closed_with_4509(
    node: Reconciling, registry: Registry, module: Module
) -> None:
    connection = node.connect(module)
    newer = registry.connect(module, node=OTHER)
    commands = registry.store.node_commands
    commands.remove(commands.read(NODE))  # killed before it was written
    await node.make_round()
    assert close_code(connection) == 4509
    assert registry.read(module) == newer


async def test_a_socket_of_a_deleted_module_is_closed_with_4501(
    node: Reconciling, registry: Registry, module: Module
) -> None:
    connection = node.connect(module)
    remove_module(registry.store, module.module_hash)
    await node.make_round()
    assert close_code(connection) == 4501


async def test_a_socket_of_a_disabled_module_is_closed_with_4523(
    node: Reconciling, registry: Registry, module: Module
) -> None:
    connection = node.connect(module)
    collection = registry.store.modules._collection
    collection.update_one({"_id": module.module_hash}, {"$set": {"enabled": False}})
    await node.make_round()
    assert close_code(connection) == 4523


async def test_a_socket_that_expired_while_its_node_got_a_new_id_is_left_to_its_command(
    node: Reconciling, registry: Registry, module: Module
) -> None:
    connection = node.connect(module)
    declared_dead = node.sockets.hub.node
    assert declared_dead is not None
    registry.store.nodes.declare_dead(NODE, declared_dead.renewals, registry.now)
    expire_modules(registry.store, [registry.read(module)], registry.now, PLATFORM)
    while sweep(registry.store, registry.now):
        pass
    node.sockets.hub.become(registry.enrol(NodeId("host-a:10090:2")))
    await node.make_round()
    assert connection.is_open()
    assert registry.read(module).session is None


@pytest.mark.parametrize("decision", ["expire", "disable"])
async def test_a_socket_that_a_command_will_close_is_left_to_it(
    node: Reconciling, registry: Registry, module: Module, decision: str
) -> None:
    connection = node.connect(module)
    if decision == "expire":
        expire_modules(registry.store, [registry.read(module)], registry.now, PLATFORM)
    else:
        set_enabled(registry.store, module.module_hash, registry.now, PLATFORM, enabled=False)
    await node.make_round()
    assert connection.is_open()
    assert registry.read(module).session is None


async def test_a_node_without_a_lease_makes_no_round(
    node: Reconciling, registry: Registry, module: Module
) -> None:
    connection = node.connect(module)
    node.sockets.hub.node = None
    remove_module(registry.store, module.module_hash)
    await node.make_round()
    assert connection.is_open()


async def test_the_epoch_of_a_rebind_whose_answer_was_lost_is_learnt(
    node: Reconciling, registry: Registry, module: Module
) -> None:
    connection = node.connect(module)
    collection = registry.store.modules._collection
    collection.update_one({"_id": module.module_hash}, {"$set": {"epoch": 2}})
    await node.make_round()
    assert connection.epoch == 2
