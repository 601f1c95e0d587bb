"""Purges and sweeps, on a real database."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from shared.domain.event import Event, node_changed, worker_subject
from shared.domain.execution import ExecutionStatus
from shared.domain.ids import NodeId, SessionId
from shared.domain.message import MessageStatus
from shared.domain.node_command import CommandKind, NodeCommand
from shared.settings import Settings
from shared.store import Store
from tests.support.builders import NODE, make_execution, make_message, make_module, make_result
from tests.support.registry import Registry
from tests.support.tampering import remove_module
from worker.housekeeping import Housekeeping, retention_of
from worker.trusted_clock import Reading, TrustedClock

WORKER = worker_subject("host-a", 10083)
MONTH = timedelta(days=31)


class Clock:
    """This machine's clock; `ahead` sets it, and with it that of a database on this machine.

    The clock of a database on another machine is `apart` from it.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.ahead = timedelta(0)
        self.apart = timedelta(0)

    def __call__(self, _store: Store) -> Reading:
        wall = self.now + self.ahead
        return Reading(wall=wall, steady_seconds=1000.0, server=wall - self.apart)


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
def keeping(store: Store, clock: Clock, settings: Settings) -> Housekeeping:
    return Housekeeping(store, TrustedClock(store, WORKER, clock), retention_of(settings))


@pytest.fixture
def registry(store: Store, now: datetime) -> Registry:
    return Registry(store=store, now=now)


def record_events(store: Store, at: datetime, count: int = 3) -> list[Event]:
    nodes = [NodeId(f"host:{at.isoformat()}:{number}") for number in range(count)]
    events = [node_changed(node, "enrolled", at) for node in nodes]
    store.events.record(events)
    return events


def test_events_go_when_they_are_too_old(
    store: Store, keeping: Housekeeping, now: datetime
) -> None:
    record_events(store, now - MONTH)
    kept = record_events(store, now - timedelta(days=29))
    assert keeping.purge() is True
    assert keeping.purge() is False
    assert {event.id for event in store.events.find()} == {event.id for event in kept}


def test_a_clock_that_jumps_a_month_ahead_purges_nothing(
    store: Store, keeping: Housekeeping, clock: Clock, now: datetime
) -> None:
    history = record_events(store, now, count=800)
    keeping.check_clock()
    clock.ahead = MONTH
    assert keeping.purge() is False
    clock.ahead = timedelta(0)
    assert keeping.purge() is False
    assert {event.id for event in history} <= {event.id for event in store.events.find()}


def test_node_commands_go_when_no_node_reads_them(
    store: Store, keeping: Housekeeping, now: datetime, registry: Registry
) -> None:
    module = registry.register()

    def command(session: str, age: timedelta) -> NodeCommand:
        return NodeCommand(
            session=SessionId(session),
            node=NODE,
            module_hash=module.module_hash,
            created_at=now - age,
            kind=CommandKind.PROBE,
        )

    store.node_commands.insert([command("old", timedelta(hours=2)), command("new", timedelta(0))])
    keeping.purge()
    assert [left.session for left in store.node_commands.read(NODE)] == ["new"]


def test_the_events_of_registrations_that_were_cut_off_are_recorded(
    store: Store, keeping: Housekeeping, registry: Registry, now: datetime
) -> None:
    cut_off, under_way = make_module(name="a", module_id=1), make_module(name="b", module_id=2)
    store.counters.hand_out([cut_off.module_hash], now - timedelta(seconds=61))
    store.counters.hand_out([under_way.module_hash], now)
    store.modules.insert([cut_off, under_way])
    keeping.finish_registrations()
    assert registry.happened(cut_off) == [("registered", None)]
    assert registry.happened(under_way) == []


def test_a_clock_in_doubt_calls_no_registration_abandoned(
    store: Store, keeping: Housekeeping, clock: Clock, now: datetime
) -> None:
    handed_out = store.counters.hand_out(["a" * 64], now)
    clock.ahead = clock.apart = MONTH
    keeping.finish_registrations()
    assert store.counters.unfinished() == [handed_out.handout]


def test_sessions_without_a_node_end_by_the_clock_of_the_database(
    store: Store, keeping: Housekeeping, registry: Registry, clock: Clock, now: datetime
) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    store.nodes.remove(NODE)
    clock.ahead = clock.apart = MONTH
    keeping.sweep_orphans()
    assert registry.read(module).state_since == now


def test_the_heartbeat_of_a_deleted_module_goes(
    store: Store, keeping: Housekeeping, registry: Registry, now: datetime
) -> None:
    kept, deleted = registry.register("kept"), registry.register("deleted")
    remove_module(store, deleted.module_hash)
    store.heartbeats.record({now: [kept.module_hash, deleted.module_hash]})
    keeping.remove_orphaned_heartbeats()
    assert store.heartbeats.hashes() == [kept.module_hash]


@pytest.mark.parametrize("ahead", [timedelta(0), MONTH])
def test_sessions_without_a_node_end_whatever_the_clock_shows(
    store: Store,
    keeping: Housekeeping,
    registry: Registry,
    clock: Clock,
    now: datetime,
    ahead: timedelta,
) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    keeping.check_clock()
    store.nodes.remove(NODE)
    clock.ahead = ahead
    work_left: Callable[[], bool] = keeping.sweep_orphans
    while work_left():
        pass
    assert registry.read(module).session is None
    assert registry.read(module).state_since == now


def test_work_goes_when_it_is_too_old(store: Store, keeping: Housekeeping, now: datetime) -> None:
    kept, old = now - timedelta(days=6), now - timedelta(days=100)
    for name, at in (("old", old), ("kept", kept)):
        ended = {"status": MessageStatus.SUCCEEDED, "deadline_at": at, "created_at": at}
        store.messages.insert([make_message(id=name, **ended)])
        store.results.insert([make_result(message_id=name, at=at)])
        succeeded = ExecutionStatus.SUCCEEDED
        store.executions.insert(
            [make_execution(id=name, due_at=at, created_at=at, status=succeeded)]
        )
    store.executions.insert([make_execution(id="running", due_at=old)])
    assert keeping.purge_work() is True
    assert keeping.purge_work() is False
    assert store.messages.read(["old", "kept"]).keys() == {"kept"}
    assert store.results.read(["old", "kept"]).keys() == {"kept"}
    assert store.executions.read(["old", "kept", "running"]).keys() == {"kept", "running"}


def test_a_clock_that_jumps_a_year_ahead_purges_no_work(
    store: Store, keeping: Housekeeping, clock: Clock, now: datetime
) -> None:
    store.results.insert([make_result(at=now)])
    keeping.check_clock()
    clock.ahead = timedelta(days=365)
    assert keeping.purge_work() is False
    assert store.results.get(make_result().message_id) is not None
