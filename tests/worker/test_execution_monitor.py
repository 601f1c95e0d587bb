"""The execution monitor leaves to others what they are about to do, but not for long."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from shared.domain.event import worker_subject
from shared.domain.execution import ExecutionStatus, StepStatus
from shared.domain.ids import ExecutionId, WorkflowId
from shared.services.executions import cancel_execution
from shared.services.scheduling import fire_due
from shared.services.step_sending import make_router
from shared.store import Store
from tests.support.builders import (
    ACTOR,
    make_execution,
    make_step_run,
    make_step_try,
    make_workflow,
)
from tests.support.registry import Registry
from tests.support.schedules import Schedules
from worker.execution_monitor import (
    GIVE_WAY_LOOKS,
    LONG_SENDING_TIME,
    SENDING_TIME,
    ExecutionMonitor,
)
from worker.signs_of_life import SignsOfLife
from worker.trusted_clock import Reading, TrustedClock


@dataclass
class World:
    """The time, and whether the scheduler is firing."""

    now: datetime
    is_firing: bool = False

    def read(self, _store: Store) -> Reading:
        return Reading(wall=self.now, steady_seconds=self.now.timestamp(), server=self.now)


@pytest.fixture
def world(now: datetime) -> World:
    return World(now)


@pytest.fixture
def monitor(store: Store, world: World) -> ExecutionMonitor:
    subject = worker_subject("host-a", 10083)
    clock = TrustedClock(store, subject, world.read)
    signs = SignsOfLife(store, clock, subject)
    return ExecutionMonitor(store, clock, signs, make_router(), lambda: world.is_firing)


@pytest.fixture
def schedules(store: Store, registry: Registry) -> Schedules:
    return Schedules(store, registry)


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=1)], ids=["", "clock ahead"])
def test_a_message_is_sent_for_the_worker_that_chose_its_module_when_it_was_killed(
    schedules: Schedules, monitor: ExecutionMonitor, world: World, ahead: timedelta
) -> None:
    choose_module(schedules, world.now + ahead)
    monitor.tick()
    assert bool(schedules.messages()) is bool(ahead)  # such a clock says nothing
    world.now += SENDING_TIME
    monitor.tick()
    assert len(schedules.messages()) == 1


def test_a_worker_that_fires_many_is_given_more_time_to_send(
    schedules: Schedules, monitor: ExecutionMonitor, world: World
) -> None:
    choose_module(schedules, world.now)
    world.is_firing = True
    world.now += SENDING_TIME
    for _ in range(GIVE_WAY_LOOKS + 1):
        monitor.tick()
    assert schedules.messages() == []
    world.now += LONG_SENDING_TIME
    monitor.tick()
    assert len(schedules.messages()) == 1


def choose_module(schedules: Schedules, at: datetime) -> None:
    """Store an execution whose module was chosen then, and its message not sent yet."""
    chosen = make_step_try(module_hash=schedules.module.module_hash, at=at)
    run = make_step_run(status=StepStatus.SENT, tries=(chosen,))
    schedules.store.executions.insert([make_execution(workflow=make_workflow(), steps=(run,))])


def test_ends_are_noted_after_what_is_due_was_sent_but_not_too_late(
    schedules: Schedules, monitor: ExecutionMonitor, world: World, now: datetime
) -> None:
    schedules.add()
    schedules.work(now)
    schedules.answer(now)
    world.is_firing = True
    for _ in range(GIVE_WAY_LOOKS):
        monitor.tick()
    assert [e.status for e in schedules.all()] == [ExecutionStatus.RUNNING]
    monitor.tick()
    assert [e.status for e in schedules.all()] == [ExecutionStatus.SUCCEEDED]


def test_what_this_worker_fired_is_not_read_again(
    store: Store,
    schedules: Schedules,
    monitor: ExecutionMonitor,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in (1, 2):
        schedules.add(workflow_id=WorkflowId(number))
    monitor.expect(fire_due(store, now).running)
    first, _ = schedules.all()
    cancel_execution(store, first.id, ACTOR, now)
    schedules.answer(now)
    read: list[ExecutionId] = []
    monkeypatch.setattr(store.executions, "read", lambda ids: read.extend(ids) or {})
    monitor.tick()
    assert read == []
    monkeypatch.undo()
    ended = [e.status for e in schedules.all()]
    assert ended == [ExecutionStatus.CANCELLED, ExecutionStatus.SUCCEEDED]


def test_ends_are_noted_one_look_after_the_firing(
    schedules: Schedules, monitor: ExecutionMonitor, world: World, now: datetime
) -> None:
    schedules.add()
    schedules.work(now)
    schedules.answer(now)
    for world.is_firing in (True, False):
        monitor.tick()
        assert [e.status for e in schedules.all()] == [ExecutionStatus.RUNNING]
    monitor.tick()
    assert [e.status for e in schedules.all()] == [ExecutionStatus.SUCCEEDED]


def test_ends_are_noted_at_once_while_nothing_is_due(
    schedules: Schedules, monitor: ExecutionMonitor, now: datetime
) -> None:
    schedules.add()
    schedules.work(now)
    schedules.answer(now)
    monitor.tick()
    assert [e.status for e in schedules.all()] == [ExecutionStatus.SUCCEEDED]
