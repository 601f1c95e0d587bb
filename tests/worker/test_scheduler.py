"""The scheduler wakes when something is due, by a clock that may jump."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.event import worker_subject
from shared.domain.execution import ExecutionStatus, MissReason
from shared.domain.ids import WorkflowId
from shared.domain.punctuality import Punctuality, judge
from shared.domain.workflow import Overlap
from shared.services.step_sending import make_router
from shared.services.worker_presence import Share
from shared.services.workflows import pause_workflow
from shared.store import Store
from tests.support.builders import ACTOR, make_step
from tests.support.killed_store import KilledStore
from tests.support.registry import Registry
from tests.support.schedules import Schedules, succeed
from worker.execution_monitor import ExecutionMonitor
from worker.scheduler import Scheduler
from worker.signs_of_life import SignsOfLife
from worker.slice_size import SliceSize
from worker.trusted_clock import Reading, TrustedClock

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
EVERY_MINUTE = "* * * * *"


class World:
    """The true time, and the clocks that show it, or something else."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.ahead = timedelta(0)

    def read(self, _store: Store) -> Reading:
        wall = self.now + self.ahead
        return Reading(wall=wall, steady_seconds=self.now.timestamp(), server=wall)

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Worker:
    """The loops of one worker process that have to do with schedules."""

    def __init__(self, store: Store, world: World, port: int = 10083) -> None:
        subject = worker_subject("host-a", port)
        clock = TrustedClock(store, subject, world.read)
        router = make_router()
        self.world = world
        self.signs = SignsOfLife(store, clock, subject)
        self.scheduler = Scheduler(store, clock, self.signs, router, sleep=world.sleep)
        self.monitor = ExecutionMonitor(store, clock, self.signs, router)

    def live(self, time: timedelta, answer: Callable[[datetime], object]) -> None:
        """Tick for so long, a second apart, while the modules answer."""
        end = self.world.now + time
        while self.world.now < end:
            self.signs.note()
            while self.scheduler.tick():
                pass
            answer(self.world.now)
            self.monitor.tick()
            self.world.sleep(1.0)


@pytest.fixture
def schedules(store: Store, registry: Registry) -> Schedules:
    return Schedules(store, registry)


@pytest.fixture
def world(now: datetime) -> World:
    return World(now)


def ran(schedules: Schedules) -> list[datetime]:
    """Return the due times of what succeeded."""
    succeeded = ExecutionStatus.SUCCEEDED
    return [execution.due_at for execution in schedules.all() if execution.status is succeeded]


def test_it_sleeps_exactly_until_something_is_due(
    schedules: Schedules, store: Store, world: World, now: datetime
) -> None:
    schedules.add(crons=(EVERY_MINUTE,), next_due_at=now + MINUTE)
    worker = Worker(store, world)
    assert worker.scheduler.tick() is False
    world.now = now + MINUTE - 0.7 * SECOND
    assert worker.scheduler.tick() is True
    assert world.now == now + MINUTE
    (execution,) = schedules.all()
    assert execution.created_at == execution.due_at == now + MINUTE


def test_a_worker_of_higher_rank_comes_a_little_later(
    schedules: Schedules, store: Store, world: World, now: datetime
) -> None:
    schedules.add()
    worker = Worker(store, world)
    worker.signs.share = Share(rank=2, count=3)
    worker.scheduler.tick()
    assert world.now == now + 0.5 * SECOND


def test_what_was_seen_to_be_due_is_fired_slice_by_slice(
    schedules: Schedules, store: Store, world: World
) -> None:
    for number in range(1, 6):
        schedules.add(workflow_id=WorkflowId(number))
    scheduler = Worker(store, world).scheduler
    scheduler._size = SliceSize(2)
    for fired in (2, 4):
        assert scheduler.tick() is True
        assert len(schedules.all()) == fired
    store.workflows.delete(WorkflowId(5))
    assert scheduler.tick() is True
    assert scheduler.tick() is False
    assert len(schedules.all()) == 4


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_clock_that_jumps_by_an_hour_fires_each_due_time_once(
    schedules: Schedules, store: Store, world: World, now: datetime, jump: timedelta
) -> None:
    schedules.add(crons=(EVERY_MINUTE,), overlap=Overlap.ALLOW)
    worker = Worker(store, world)
    worker.live(2 * MINUTE, schedules.answer)
    world.ahead = jump
    worker.live(2 * MINUTE, schedules.answer)
    world.ahead = timedelta(0)
    worker.live(MINUTE / 2, schedules.answer)
    assert ran(schedules) == [now + n * MINUTE for n in range(5)]
    assert len(schedules.all()) == 5


def test_a_worker_that_starts_while_the_clock_is_ahead_makes_no_time_twice(
    schedules: Schedules, store: Store, world: World, now: datetime
) -> None:
    schedules.add(crons=(EVERY_MINUTE,), overlap=Overlap.ALLOW)
    Worker(store, world).live(2 * MINUTE, schedules.answer)
    world.ahead = HOUR
    Worker(store, world, 10084).live(2 * MINUTE, schedules.answer)
    world.ahead = timedelta(0)
    Worker(store, world, 10085).live(2 * MINUTE, schedules.answer)
    times = [execution.due_at for execution in schedules.all()]
    assert len(times) == len(set(times))
    ids = [message.execution_id for message in schedules.messages()]
    assert len(ids) == len(set(ids))


def test_after_a_time_without_a_worker_the_latest_runs_and_the_others_say_why(
    schedules: Schedules, store: Store, world: World, now: datetime
) -> None:
    schedules.add(crons=("*/5 * * * *",))
    Worker(store, world).live(10 * SECOND, schedules.answer)
    world.sleep(16 * 60)
    Worker(store, world).live(10 * SECOND, schedules.answer)
    first, *missed, latest = schedules.all()
    assert [e.due_at for e in missed] == [now + 5 * MINUTE, now + 10 * MINUTE]
    assert {(e.status, e.reason) for e in missed} == {
        (ExecutionStatus.MISSED, MissReason.NO_WORKER)
    }
    assert missed[0].detail["instead"] == latest.id
    assert missed[0].detail["from"] == now + 9 * SECOND
    assert (first.due_at, latest.due_at) == (now, now + 15 * MINUTE)
    assert ran(schedules) == [now, now + 15 * MINUTE]


def test_a_result_that_came_before_all_workers_were_killed_makes_way_for_the_next_firing(
    schedules: Schedules, store: Store, world: World, now: datetime
) -> None:
    schedules.add(crons=(EVERY_MINUTE,), expected_within_seconds=30.0)
    first = Worker(store, world)
    first.signs.note()
    first.scheduler.tick()
    came_at = now + 10 * SECOND
    schedules.answer(came_at, lambda message: replace(succeed(message), at=came_at))
    world.sleep(2 * 60)
    second = Worker(store, world)
    second.signs.note()
    second.scheduler.tick()
    before, missed, latest = schedules.all()
    assert (before.status, before.ended_at) == (ExecutionStatus.SUCCEEDED, came_at)
    assert judge(before, world.now) is Punctuality.ON_TIME
    assert missed.status is ExecutionStatus.MISSED
    assert (latest.status, latest.due_at) == (ExecutionStatus.RUNNING, now + 2 * MINUTE)


def test_steps_go_on_within_a_tick_of_their_results(
    schedules: Schedules, store: Store, world: World, now: datetime
) -> None:
    schedules.add("load", "price")
    worker = Worker(store, world)
    worker.live(4 * SECOND, schedules.answer)
    (execution,) = schedules.all()
    assert execution.status is ExecutionStatus.SUCCEEDED
    assert execution.ended_at is not None
    assert execution.ended_at - now <= 2 * SECOND


def test_the_share_of_a_worker_that_is_away_is_looked_at_by_the_others(
    schedules: Schedules, store: Store, world: World, now: datetime
) -> None:
    for number in range(1, 9):
        schedules.add(workflow_id=WorkflowId(number))
    worker = Worker(store, world)
    worker.signs.note()
    worker.scheduler.tick()
    worker.signs.share = Share(rank=0, count=100)  # none of them is its own
    schedules.answer(now)
    for _ in range(5):
        worker.monitor.tick()
    assert {e.status for e in schedules.all()} == {ExecutionStatus.SUCCEEDED}


def test_a_workflow_that_cannot_be_read_costs_no_time_and_keeps_its_due_time(
    schedules: Schedules, store: Store, world: World, now: datetime
) -> None:
    good = schedules.add()
    bad = schedules.add(workflow_id=WorkflowId(2))
    store.workflows._collection.update_one({"_id": 2}, {"$set": {"steps": [{"kind": "newer"}]}})
    worker = Worker(store, world)
    ticks = 0
    while worker.scheduler.tick():
        ticks += 1
    assert ticks < 5
    assert [execution.workflow_id for execution in schedules.all()] == [good.workflow_id]
    document = store.workflows._collection.find_one({"_id": 2})
    assert document is not None
    assert document["next_due_at"] == bad.next_due_at


def test_a_workflow_that_cannot_be_fired_stops_no_other(
    schedules: Schedules, store: Store, world: World, now: datetime
) -> None:
    for number in range(1, 6):
        schedules.add(workflow_id=WorkflowId(number))
    module_hash = schedules.module.module_hash
    bad = make_step(name="bad", module_hash=module_hash, after=("nope",))
    schedules.add(workflow_id=WorkflowId(6), steps=(bad,))
    worker = Worker(store, world)
    while worker.scheduler.tick():
        pass
    assert sorted(e.workflow_id for e in schedules.all()) == [1, 2, 3, 4, 5]
    assert world.now - now < SECOND


@pytest.mark.parametrize(
    "damage",
    [
        {"$unset": {"steps": 1}},
        {"$set": {"workflow.steps": []}},
        {"$set": {"workflow.steps.0.after": '["nope"]', "steps.0.status": "waiting"}},
    ],
)
def test_an_execution_that_cannot_go_on_stops_no_other(
    schedules: Schedules, store: Store, world: World, damage: dict[str, Any]
) -> None:
    for number in range(1, 4):
        schedules.add(workflow_id=WorkflowId(number))
    worker = Worker(store, world)
    worker.scheduler.tick()
    (bad, *good) = schedules.all()
    store.executions._collection.update_one({"_id": bad.id}, damage)
    worker.live(4 * SECOND, schedules.answer)
    ended = store.executions.read([execution.id for execution in good]).values()
    assert [e.status for e in ended] == [ExecutionStatus.SUCCEEDED] * 2


def test_what_was_due_before_a_pause_that_was_killed_is_recorded_by_the_worker(
    schedules: Schedules, store: Store, world: World, now: datetime
) -> None:
    workflow = schedules.add(crons=(EVERY_MINUTE,), next_due_at=now - 5 * MINUTE)
    with pytest.raises(KeyboardInterrupt):
        pause_workflow(KilledStore(store, 2), workflow.workflow_id, "", ACTOR, now)  # type: ignore[arg-type]
    assert schedules.all() == []
    Worker(store, world).live(2 * SECOND, schedules.answer)
    (missed,) = schedules.all()
    assert (missed.reason, missed.detail["count"]) == (MissReason.PAUSED, 6)
    assert schedules.workflow().next_due_at is None
