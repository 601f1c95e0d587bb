"""Which due times run, and what becomes of the others."""

from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.cron import due_times, next_due
from shared.domain.execution import Execution, ExecutionStatus, MissReason, scheduled_id
from shared.domain.firing import (
    MISSED_AT_ONCE,
    MISSED_EACH,
    BlindTime,
    Firing,
    last_covered,
    plan_firing,
)
from shared.domain.ids import ExecutionId
from shared.domain.workflow import Misfire, Overlap, Workflow
from tests.support.builders import NOON, make_workflow

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
EVERY_MINUTE, HOURLY, DAILY = "* * * * *", "0 * * * *", "0 20 * * *"
MISSED, RUNNING, SKIPPED, WAITING = (
    ExecutionStatus.MISSED,
    ExecutionStatus.RUNNING,
    ExecutionStatus.SKIPPED,
    ExecutionStatus.WAITING,
)


def fire(workflow: Workflow, now: datetime, **overrides: Any) -> Firing:
    """Plan the firing of a workflow that is due since its next_due_at, or noon."""
    lines, zone, shift = workflow.crons, workflow.timezone, workflow.shift
    begin = workflow.next_due_at or NOON
    due = due_times(lines, zone, shift, begin, now + timedelta(microseconds=1))
    times = list(islice(due, MISSED_AT_ONCE + 1))
    return plan_firing(workflow, times, next_due(lines, zone, shift, times[-1]), now, **overrides)


def statuses(firing: Firing) -> list[ExecutionStatus]:
    return [execution.status for execution in firing.executions]


def test_what_is_due_runs_and_is_due_next_a_day_later() -> None:
    firing = fire(make_workflow(crons=(DAILY,), expected_within_seconds=300.0), NOON + SECOND)
    (execution,) = firing.executions
    assert execution.status is RUNNING
    assert (execution.due_at, execution.started_at) == (NOON, NOON + SECOND)
    assert execution.expected_by == NOON + 5 * MINUTE
    assert firing.next_due_at == NOON + timedelta(days=1)


@pytest.mark.parametrize(
    ("line", "late", "expected"),
    [
        (EVERY_MINUTE, 29 * SECOND, RUNNING),
        (EVERY_MINUTE, 31 * SECOND, MISSED),
        (HOURLY, 9 * MINUTE, RUNNING),
        (HOURLY, 11 * MINUTE, MISSED),
        (DAILY, 10 * MINUTE, RUNNING),
        (DAILY, 11 * MINUTE, MISSED),
    ],
)
def test_the_latest_due_time_runs_while_it_is_young_enough(
    line: str, late: timedelta, expected: ExecutionStatus
) -> None:
    assert statuses(fire(make_workflow(crons=(line,)), NOON + late)) == [expected]


def test_earlier_due_times_are_missed_and_name_the_one_that_ran_instead() -> None:
    firing = fire(make_workflow(crons=(EVERY_MINUTE,)), NOON + 3 * MINUTE)
    assert statuses(firing) == [MISSED, MISSED, MISSED, RUNNING]
    assert {e.detail["instead"] for e in firing.executions[:3]} == {firing.executions[3].id}


@pytest.mark.parametrize(("late", "expected"), [(SECOND, RUNNING), (31 * SECOND, MISSED)])
def test_a_workflow_that_makes_nothing_good_misses_what_is_late(
    late: timedelta, expected: ExecutionStatus
) -> None:
    firing = fire(make_workflow(crons=(DAILY,), misfire=Misfire.SKIP), NOON + late)
    assert statuses(firing) == [expected]
    if expected is MISSED:
        assert firing.executions[0].reason is MissReason.POLICY


def test_a_missed_time_says_when_no_worker_was_running() -> None:
    away = BlindTime(begin=NOON - MINUTE, end=NOON + 12 * MINUTE, cause=MissReason.NO_WORKER)
    (missed,) = fire(
        make_workflow(crons=(DAILY,)), NOON + 12 * MINUTE, blind_times=[away]
    ).executions
    assert (missed.status, missed.reason) == (MISSED, MissReason.NO_WORKER)
    assert missed.detail == {"from": away.begin, "until": away.end}


def test_a_missed_time_without_a_gap_was_missed_by_workers_that_were_behind() -> None:
    (missed,) = fire(make_workflow(crons=(DAILY,)), NOON + 12 * MINUTE).executions
    assert missed.reason is MissReason.BEHIND


def test_what_is_due_while_the_one_before_runs_is_skipped_and_names_it() -> None:
    before = ExecutionId("1-earlier")
    (skipped,) = fire(make_workflow(crons=(DAILY,)), NOON, unfinished=[before]).executions
    assert (skipped.status, skipped.reason) == (SKIPPED, MissReason.OVERLAP)
    assert skipped.detail == {"behind": before}


def test_the_own_execution_of_a_worker_that_was_killed_is_no_overlap() -> None:
    workflow = make_workflow(crons=(DAILY,))
    own = scheduled_id(workflow.workflow_id, NOON)
    assert statuses(fire(workflow, NOON, unfinished=[own])) == [RUNNING]


@pytest.mark.parametrize(
    ("overlap", "others", "expected"),
    [(Overlap.ALLOW, 5, RUNNING), (Overlap.QUEUE, 9, WAITING), (Overlap.QUEUE, 10, SKIPPED)],
)
def test_overlap_may_be_allowed_or_queued_up_to_ten(
    overlap: Overlap, others: int, expected: ExecutionStatus
) -> None:
    unfinished = [ExecutionId(f"1-{n}") for n in range(others)]
    workflow = make_workflow(crons=(DAILY,), overlap=overlap)
    assert statuses(fire(workflow, NOON, unfinished=unfinished)) == [expected]


def covered(executions: list[Execution]) -> list[datetime]:
    """Return every due time that these executions stand for."""
    times: list[datetime] = []
    for execution in executions:
        zone, last = execution.workflow.timezone, last_covered(execution)
        end = last + timedelta(microseconds=1)
        times += due_times(
            execution.workflow.crons, zone, execution.workflow.shift, execution.due_at, end
        )
    return times


@given(
    line=st.sampled_from([EVERY_MINUTE, "*/7 * * * *", HOURLY, DAILY, "5,6 3 * * 1-5"]),
    away=st.integers(0, 8 * 24 * 60),
    seconds=st.integers(0, 59),
)
def test_after_an_outage_each_due_time_has_exactly_one_document(
    line: str, away: int, seconds: int
) -> None:
    now = NOON + away * MINUTE + seconds * SECOND
    workflow = make_workflow(crons=(line,))
    first = next_due(workflow.crons, workflow.timezone, workflow.shift, NOON - SECOND)
    executions: list[Execution] = []
    due = first
    while due <= now:
        firing = fire(make_workflow(crons=(line,), next_due_at=due), now)
        executions += firing.executions
        assert firing.next_due_at > due
        due = firing.next_due_at
    until = now + timedelta(microseconds=1)
    expected = list(due_times(workflow.crons, workflow.timezone, workflow.shift, first, until))
    assert covered(executions) == expected
    assert len(executions) <= MISSED_EACH + 2 + len(expected) / MISSED_AT_ONCE
    assert sum(execution.status is RUNNING for execution in executions) <= 1
