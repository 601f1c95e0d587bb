"""Due workflows fire, on a real database; each due time once, whatever happens to the workers."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.clock import utc_now
from shared.domain.execution import ExecutionStatus, MissReason, StepStatus, scheduled_id
from shared.domain.firing import BlindTime
from shared.domain.ids import WorkflowId
from shared.domain.message import EndReason
from shared.domain.workflow import Overlap
from shared.services.scheduling import Fired, fire_due
from shared.store import Store
from shared.store.due_workflows import DueMove
from tests.support.builders import NODE, make_step
from tests.support.killed_store import KilledStore
from tests.support.registry import Registry
from tests.support.schedules import Schedules, fail, succeed

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
EVERY_MINUTE = "* * * * *"
SUCCEEDED, RUNNING, MISSED = (
    ExecutionStatus.SUCCEEDED,
    ExecutionStatus.RUNNING,
    ExecutionStatus.MISSED,
)
# More writes than a worker asks for while a workflow of two steps lives its life.
WRITES = 25


@pytest.fixture
def schedules(store: Store, registry: Registry) -> Schedules:
    return Schedules(store, registry)


def test_a_due_workflow_becomes_an_execution_and_a_message(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add()
    fired = fire_due(store, now)
    assert (fired.found, fired.moved, fired.running) == (1, 1, tuple(schedules.all()))
    (execution,) = schedules.all()
    assert (execution.id, execution.status) == (scheduled_id(WorkflowId(1), now), RUNNING)
    (message,) = schedules.messages()
    assert message.module_hash == schedules.module.module_hash
    assert message.mission_kind == "load"
    assert schedules.workflow().next_due_at == now + DAY
    assert fire_due(store, now) == Fired()


def test_a_module_gets_the_execution_in_the_form_of_the_contract(
    schedules: Schedules, now: datetime
) -> None:
    steps = (
        make_step(module_hash=schedules.module.module_hash, args={"region": "north", "big": 2**60}),
    )
    schedules.add(steps=steps)
    schedules.work(now)
    (message,) = schedules.messages()
    assert json.loads(message.content) == {
        "type": "execute",
        "meta": {
            "execution_id": "1-20260301T120000",
            "execution_time": "2026-03-01T20:00:00",
            "workflow_id": 1,
            "workflow_name": "load-72h",
            "step": "forecast",
            "try": 1,
            "due_at": "2026-03-01T12:00:00Z",
            "windows": {},
            "inputs": {},
        },
        "args": {"region": "north", "big": 2**60},
    }


def test_a_step_gets_the_results_of_those_that_it_comes_after(
    schedules: Schedules, now: datetime
) -> None:
    schedules.add("load", "price")
    schedules.run(now)
    first, second = schedules.messages()
    assert json.loads(first.content)["meta"]["inputs"] == {}
    assert json.loads(second.content)["meta"]["inputs"] == {"load": {"values": [1, 2, 3]}}
    assert [execution.status for execution in schedules.all()] == [SUCCEEDED]


def test_inputs_that_are_too_large_end_the_step_with_the_reason(
    schedules: Schedules, now: datetime
) -> None:
    schedules.add("load", "price")
    large = '"' + "x" * (9 * 2**20) + '"'
    schedules.run(now, lambda message: replace(succeed(message), content=large))
    (execution,) = schedules.all()
    assert [run.reason for run in execution.steps] == [None, EndReason.INPUTS_TOO_LARGE]
    assert "9 MiB" in (execution.steps[1].error or "")


def test_a_message_waits_no_longer_than_its_execution_wants_it(
    schedules: Schedules, now: datetime
) -> None:
    schedules.add(timeout_seconds=60.0, start_timeout_seconds=5.0)
    schedules.work(now)
    (message,) = schedules.messages()
    assert message.useful_until == message.deadline_at == now + 5 * SECOND
    assert (message.timeout_seconds, message.start_timeout_seconds) == (60.0, 5.0)


def test_a_module_that_is_deleted_ends_the_execution_with_the_reason(
    schedules: Schedules, now: datetime
) -> None:
    schedules.add(steps=(make_step(module_hash="f" * 64),))
    schedules.work(now)
    (execution,) = schedules.all()
    assert (execution.status, execution.reason) == (
        ExecutionStatus.FAILED,
        EndReason.UNKNOWN_MODULE,
    )
    assert schedules.messages() == []


def test_a_kind_goes_to_a_module_of_it_and_says_why(schedules: Schedules, now: datetime) -> None:
    schedules.add(steps=(make_step(module_hash=None, mission_kind="load"),))
    schedules.work(now)
    (message,) = schedules.messages()
    assert message.module_hash == schedules.module.module_hash
    (a_try,) = schedules.all()[0].steps[0].tries
    assert a_try.chosen_because == "the only one of its kind that is online"


def test_a_fallback_takes_over_from_a_module_that_is_away(
    schedules: Schedules, registry: Registry, now: datetime
) -> None:
    away = registry.register("away").module_hash
    steps = (make_step(module_hash=away, fallback=(schedules.module.module_hash,)),)
    schedules.add(steps=steps)
    schedules.run(now)
    (execution,) = schedules.all()
    assert execution.status is SUCCEEDED
    assert execution.steps[0].tries[0].module_hash == schedules.module.module_hash
    assert execution.steps[0].tries[0].chosen_because == "fallback of 'away', which is offline"


def test_workflows_that_are_not_due_or_never_due_are_left_alone(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add(next_due_at=now + SECOND)
    schedules.add(workflow_id=WorkflowId(2), next_due_at=None)
    assert fire_due(store, now) == Fired()
    assert store.due_workflows.due_soon(now) is None
    assert store.due_workflows.due_soon(now + 2 * SECOND) == now + SECOND


def test_a_workflow_that_cannot_be_scheduled_does_not_keep_the_others(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add(timezone="Mars/Olympus")
    schedules.add(workflow_id=WorkflowId(2))
    fired = fire_due(store, now)
    assert (fired.found, fired.moved, fired.failed) == (2, 1, (WorkflowId(1),))
    assert [execution.workflow_id for execution in schedules.all()] == [2]
    assert fire_due(store, now, besides=[WorkflowId(1)]) == Fired()
    assert schedules.workflow().next_due_at == now  # another worker may know the zone


def test_an_edit_between_reading_and_moving_wins(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    workflow = schedules.add()
    document = {"version": 2, "next_due_at": now + MINUTE}
    store.workflows._collection.update_one({"_id": 1}, {"$set": document})
    assert store.due_workflows.move([DueMove(workflow=workflow, next_due_at=now + DAY)]) == 0
    assert schedules.workflow().next_due_at == now + MINUTE


def test_an_execution_keeps_the_version_that_it_began_with(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    workflow = schedules.add("load", "price")
    schedules.work(now)
    edited = replace(workflow, version=2, steps=(make_step(name="other"),))
    store.workflows._collection.delete_one({"_id": 1})
    store.workflows.insert(edited)
    schedules.run(now)
    (execution,) = schedules.all()
    assert execution.workflow.version == 1
    assert [(run.name, run.status) for run in execution.steps] == [
        ("load", StepStatus.SUCCEEDED),
        ("price", StepStatus.SUCCEEDED),
    ]


@pytest.mark.parametrize("survived", range(WRITES))
def test_a_worker_killed_between_any_two_writes_is_made_good_for(
    schedules: Schedules, store: Store, now: datetime, survived: int
) -> None:
    schedules.add("load", "price", crons=(EVERY_MINUTE,))
    killed = KilledStore(store, survived)
    try:
        for _ in range(6):
            schedules.work(now, killed)  # type: ignore[arg-type]
            schedules.answer(now)
    except KeyboardInterrupt:
        pass
    schedules.run(now)
    (execution,) = schedules.all()
    assert execution.status is SUCCEEDED
    assert [len(run.tries) for run in execution.steps] == [1, 1]
    assert len(schedules.messages()) == 2
    assert schedules.workflow().next_due_at == now + MINUTE


@pytest.mark.parametrize("survived", range(WRITES))
def test_a_failure_is_counted_once_wherever_the_worker_was_killed(
    schedules: Schedules, store: Store, now: datetime, survived: int
) -> None:
    schedules.add(pause_after_failures=1, crons=(EVERY_MINUTE,))
    killed = KilledStore(store, survived)
    try:
        for _ in range(6):
            schedules.work(now, killed)  # type: ignore[arg-type]
            schedules.answer(now, fail)
    except KeyboardInterrupt:
        pass
    schedules.run(now, fail)
    (execution,) = schedules.all()
    assert execution.status is ExecutionStatus.FAILED
    workflow = schedules.workflow()
    assert workflow.failures_in_a_row == 1
    assert workflow.pause is not None
    assert (workflow.pause.reason, workflow.next_due_at) == ("failures", None)
    paused = [event for event in store.events.find() if event.what == "paused"]
    assert len(paused) == 1


@pytest.mark.parametrize("survived", range(WRITES))
@pytest.mark.parametrize("minutes", [3, 25, 1500])
def test_missed_times_are_recorded_once_wherever_the_worker_was_killed(
    schedules: Schedules, store: Store, now: datetime, survived: int, minutes: int
) -> None:
    schedules.add(crons=(EVERY_MINUTE,), overlap=Overlap.ALLOW)
    later = now + minutes * MINUTE
    try:
        schedules.work(later, KilledStore(store, survived))  # type: ignore[arg-type]
    except KeyboardInterrupt:
        pass
    # The next worker comes two due times later.
    last = later + 2 * MINUTE
    schedules.run(last)
    executions = schedules.all()
    counts = [execution.detail.get("count", 1) for execution in executions]
    assert sum(counts) == minutes + 3
    assert executions[-1].status is SUCCEEDED
    assert executions[-1].due_at == last
    assert schedules.workflow().next_due_at == last + MINUTE
    statuses = {execution.status for execution in executions}
    assert statuses == {SUCCEEDED, MISSED}


def test_a_missed_time_tells_when_no_worker_was_running(
    schedules: Schedules, now: datetime
) -> None:
    schedules.add()
    later = now + 12 * MINUTE
    gap = BlindTime(begin=now - MINUTE, end=later, cause=MissReason.NO_WORKER)
    schedules.work(later, read_blind_times=lambda _since: [gap])
    (missed,) = schedules.all()
    assert (missed.status, missed.reason) == (MISSED, MissReason.NO_WORKER)
    assert missed.detail == {"from": gap.begin, "until": gap.end}


def test_a_message_that_is_sent_late_is_seen_by_its_node_all_the_same(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add()
    with pytest.raises(KeyboardInterrupt):
        schedules.work(now, KilledStore(store, 2))  # type: ignore[arg-type]
    assert len(schedules.all()) == 1
    assert schedules.messages() == []
    before = utc_now()
    schedules.work(now)
    assert len(store.deliveries.queued_lately(NODE, before)) == 1


def test_what_is_due_while_the_one_before_runs_is_skipped(
    schedules: Schedules, now: datetime
) -> None:
    schedules.add(crons=(EVERY_MINUTE,))
    schedules.work(now)
    schedules.work(now + MINUTE)
    first, second = schedules.all()
    assert (first.status, second.status) == (RUNNING, ExecutionStatus.SKIPPED)
    assert second.detail == {"behind": first.id}


def test_what_is_queued_begins_when_the_one_before_has_ended(
    schedules: Schedules, now: datetime
) -> None:
    schedules.add(crons=(EVERY_MINUTE,), overlap=Overlap.QUEUE)
    for minutes in range(3):
        schedules.work(now + minutes * MINUTE)
    waiting = ExecutionStatus.WAITING
    assert [execution.status for execution in schedules.all()] == [RUNNING, waiting, waiting]
    later = now + 2 * MINUTE + SECOND
    schedules.answer(later)
    schedules.work(later)
    assert [execution.status for execution in schedules.all()] == [SUCCEEDED, RUNNING, waiting]
    schedules.run(later)
    assert {execution.status for execution in schedules.all()} == {SUCCEEDED}


def test_what_may_overlap_runs_beside_the_one_before(schedules: Schedules, now: datetime) -> None:
    schedules.add(crons=(EVERY_MINUTE,), overlap=Overlap.ALLOW)
    schedules.work(now)
    schedules.work(now + MINUTE)
    assert [execution.status for execution in schedules.all()] == [RUNNING, RUNNING]


def test_a_success_ends_the_failures_in_a_row(schedules: Schedules, now: datetime) -> None:
    schedules.add(crons=(EVERY_MINUTE,), pause_after_failures=3)
    for minutes, how in enumerate([fail, fail]):
        schedules.run(now + minutes * MINUTE, how)
    assert schedules.workflow().failures_in_a_row == 2
    schedules.run(now + 2 * MINUTE)
    assert schedules.workflow().failures_in_a_row == 0
    assert schedules.workflow().pause is None
