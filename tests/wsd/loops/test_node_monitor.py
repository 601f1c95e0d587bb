"""Other nodes are judged by what this one saw of their renewals, and swept when they are dead."""

from collections.abc import Iterator

import pytest

from shared.domain.event import node_subject
from shared.domain.ids import NodeId
from shared.settings import Settings
from shared.store import DatabaseError, Store, connect
from tests.support.builders import NODE, NOON
from tests.support.command_log import CommandLog
from tests.support.registry import Registry
from wsd.database import Database
from wsd.hub import Hub
from wsd.loops.node_monitor import NodeMonitor
from wsd.working_clock import WorkingClock

OTHER = NodeId("host-b:10090:1")
LEASE_SECONDS = 20


class Watcher:
    """A node that watches the others."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self.seconds = 0.0
        self.database = Database(store, threads=1, name="test")
        hub = Hub(takeover_window_seconds=60)
        hub.node = registry.enrol(NODE)
        self.monitor = NodeMonitor(
            hub,
            self.database,
            WorkingClock(lambda: self.seconds),
            lease_seconds=LEASE_SECONDS,
            freeze_seconds=2,
        )

    async def look(self, at: float) -> bool:
        """Look at the other nodes at this second."""
        self.seconds = at
        return await self.monitor.tick()


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry(store=store, now=NOON)


@pytest.fixture
def log() -> CommandLog:
    return CommandLog()


@pytest.fixture
def watcher(settings: Settings, registry: Registry, log: CommandLog) -> Iterator[Watcher]:
    watched = connect(settings, timeout_ms=10_000, event_listeners=[log])
    made = Watcher(watched, registry)
    yield made
    made.database.close()
    watched.close()


async def test_a_look_at_living_nodes_is_one_read(
    watcher: Watcher, registry: Registry, log: CommandLog
) -> None:
    registry.enrol(OTHER)
    registry.connect(registry.register(), node=OTHER)
    assert not await watcher.look(0)
    assert log.collections() == ["nodes"]


async def test_a_node_that_stands_still_for_a_lease_is_lost_with_its_modules(
    watcher: Watcher, registry: Registry
) -> None:
    lost = registry.enrol(OTHER)
    module = registry.connect(registry.register(), node=OTHER)
    charlie = registry.connect(registry.register("charlie"))
    assert not await watcher.look(0)
    assert not await watcher.look(LEASE_SECONDS - 1)
    while await watcher.look(LEASE_SECONDS):
        pass
    stored = registry.read(module)
    assert (stored.offline_reason, stored.session) == ("node_lost", None)
    assert registry.read(charlie) == charlie
    assert [node.id for node in registry.store.nodes.all()] == [NODE]
    events = registry.store.events.find(subject=node_subject(lost.id))
    assert [event.what for event in events] == ["enrolled", "lost"]


async def test_a_node_that_renews_lives(watcher: Watcher, registry: Registry) -> None:
    node = registry.enrol(OTHER)
    for second in range(0, 60, 10):
        registry.store.nodes.renew(OTHER, node.lease_until, sessions=0)
        assert not await watcher.look(second)
    assert not any(node.dead for node in registry.store.nodes.all())


async def test_what_was_seen_before_a_freeze_does_not_count(
    watcher: Watcher, registry: Registry
) -> None:
    registry.enrol(OTHER)
    await watcher.look(0)
    watcher.monitor.forget()
    await watcher.look(LEASE_SECONDS + 1)
    assert not any(node.dead for node in registry.store.nodes.all())


async def test_what_was_seen_before_a_failed_look_does_not_count(
    watcher: Watcher, registry: Registry
) -> None:
    """The database may have been away for the other node, too."""
    registry.enrol(OTHER)
    await watcher.look(0)
    nodes = watcher.database.store.nodes
    read = nodes.all

    def fail() -> None:
        raise DatabaseError("away")

    nodes.all = fail
    with pytest.raises(DatabaseError):
        await watcher.look(1)
    nodes.all = read
    await watcher.look(LEASE_SECONDS + 1)
    assert not any(node.dead for node in registry.store.nodes.all())


async def test_a_node_that_is_dead_already_is_swept_at_once(
    watcher: Watcher, registry: Registry
) -> None:
    node = registry.enrol(OTHER)
    module = registry.connect(registry.register(), node=OTHER)
    registry.store.nodes.declare_dead(OTHER, node.renewals, registry.now)
    while await watcher.look(0):
        pass
    assert registry.read(module).session is None
    assert [node.id for node in registry.store.nodes.all()] == [NODE]
