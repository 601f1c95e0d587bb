"""The times of the last heartbeats go from memory to the database, each once."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pymongo.errors import AutoReconnect

from shared.clock import utc_now
from shared.domain.closing import OfflineReason
from shared.domain.module import Module
from shared.store import Store
from tests.support.held_sockets import HeldSockets
from tests.support.registry import Registry
from wsd.connection import Connection
from wsd.database import Database
from wsd.loops.heartbeat_flush import HeartbeatFlush


@pytest.fixture
def module(registry: Registry) -> Module:
    return registry.register()


class Flushing:
    """One node's flush."""

    def __init__(self, store: Store) -> None:
        self.sockets = HeldSockets()
        self.store = store
        self.database = Database(store, threads=1, name="store")
        sockets = self.sockets
        self.flush = HeartbeatFlush(sockets.hub, self.database, sockets.clock, sockets.metrics)
        sockets.hub.on_session_end.append(self.flush.keep_last_heartbeat)

    def send_heartbeat(self, connection: Connection) -> None:
        assert connection.session is not None
        connection.session.receive(b"heartbeat", self.sockets.clock.now())

    def stored_seconds_ago(self, module: Module) -> float:
        """Return how long ago the stored heartbeat was, by the second."""
        at = self.store.heartbeats.get(module.module_hash).heartbeat_at
        assert at is not None
        return (utc_now() - at) / timedelta(seconds=1)


@pytest.fixture
def flushing(store: Store) -> Iterator[Flushing]:
    made = Flushing(store)
    yield made
    made.database.close()


async def test_a_heartbeat_is_stored_with_the_time_at_which_it_came(
    flushing: Flushing, module: Module
) -> None:
    connection = flushing.sockets.hold(module.module_hash)
    flushing.sockets.seconds += 100
    flushing.send_heartbeat(connection)
    flushing.sockets.seconds += 7
    await flushing.flush.tick()
    assert flushing.stored_seconds_ago(module) == pytest.approx(7, abs=2)


async def test_a_module_that_sent_nothing_since_costs_nothing(
    flushing: Flushing, module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = flushing.sockets.hold(module.module_hash)
    flushing.sockets.seconds += 1
    flushing.send_heartbeat(connection)
    await flushing.flush.tick()
    monkeypatch.setattr(flushing.store.heartbeats, "record", pytest.fail)
    await flushing.flush.tick()


async def test_the_last_heartbeat_of_a_session_that_ended_is_stored(
    flushing: Flushing, module: Module
) -> None:
    connection = flushing.sockets.hold(module.module_hash)
    flushing.sockets.seconds += 100
    flushing.send_heartbeat(connection)
    flushing.sockets.hub.release(connection, OfflineReason.BYE)
    await flushing.flush.tick()
    assert flushing.stored_seconds_ago(module) == pytest.approx(0, abs=2)


async def test_what_a_failed_flush_carried_goes_with_the_next(
    flushing: Flushing, registry: Registry, module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    departed = registry.register("departed")
    staying = flushing.sockets.hold(module.module_hash)
    leaving = flushing.sockets.hold(departed.module_hash, "session-2")
    flushing.sockets.seconds += 1
    flushing.send_heartbeat(staying)
    flushing.send_heartbeat(leaving)
    flushing.sockets.hub.release(leaving, OfflineReason.BYE)

    def fail(_times: object) -> None:
        raise AutoReconnect("away")

    with monkeypatch.context() as broken:
        broken.setattr(flushing.store.heartbeats, "record", fail)
        with pytest.raises(AutoReconnect):
            await flushing.flush.tick()
    await flushing.flush.tick()
    for module_hash in (module.module_hash, departed.module_hash):
        assert flushing.store.heartbeats.get(module_hash).heartbeat_at is not None
