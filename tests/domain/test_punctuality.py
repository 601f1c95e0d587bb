"""Punctuality: on time, late, missing, or not judged; rates and durations."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.execution import ExecutionStatus, MissReason
from shared.domain.message import EndReason
from shared.domain.punctuality import (
    ExecutionGlance,
    Punctuality,
    ResultGlance,
    judge,
    percentile,
    record_of_executions,
    record_of_results,
)
from shared.domain.result import ResultStatus
from tests.support.builders import NOON, make_execution

EXPECTED_BY = NOON + timedelta(minutes=10)
BEFORE, AFTER = EXPECTED_BY - timedelta(minutes=1), EXPECTED_BY + timedelta(minutes=1)
S = ExecutionStatus


def glance(**overrides: Any) -> ExecutionGlance:
    values: dict[str, Any] = {
        "workflow_id": 1,
        "status": S.SUCCEEDED,
        "reason": None,
        "due_at": NOON,
        "expected_by": EXPECTED_BY,
        "started_at": NOON,
        "ended_at": BEFORE,
    }
    return ExecutionGlance(**values | overrides)


@pytest.mark.parametrize(
    ("status", "ended_at", "now", "expected"),
    [
        (S.SUCCEEDED, BEFORE, AFTER, Punctuality.ON_TIME),
        (S.SUCCEEDED, EXPECTED_BY, AFTER, Punctuality.ON_TIME),
        (S.SUCCEEDED, AFTER, AFTER, Punctuality.LATE),
        (S.RUNNING, None, BEFORE, None),
        (S.RUNNING, None, AFTER, Punctuality.MISSING),
        (S.WAITING, None, AFTER, Punctuality.MISSING),
        (S.FAILED, BEFORE, BEFORE, Punctuality.MISSING),
        (S.TIMED_OUT, BEFORE, BEFORE, Punctuality.MISSING),
        (S.MISSED, None, BEFORE, Punctuality.MISSING),
        (S.SKIPPED, None, AFTER, None),
        (S.CANCELLED, BEFORE, AFTER, None),
    ],
)
def test_every_status_has_its_punctuality(
    status: ExecutionStatus,
    ended_at: datetime | None,
    now: datetime,
    expected: Punctuality | None,
) -> None:
    execution = make_execution(status=status, ended_at=ended_at, expected_by=EXPECTED_BY)
    assert judge(execution, now) is expected


@pytest.mark.parametrize("status", S)
def test_without_an_expectation_nothing_is_judged(status: ExecutionStatus) -> None:
    assert judge(make_execution(status=status), AFTER) is None


def test_what_was_due_in_a_pause_is_not_judged() -> None:
    execution = glance(status=S.MISSED, reason=MissReason.PAUSED, ended_at=None)
    assert judge(execution, AFTER) is None


def test_a_record_counts_a_day_and_a_week_apart() -> None:
    now = NOON + timedelta(hours=1)
    earlier = {"due_at": NOON - timedelta(days=3), "expected_by": None}
    record = record_of_executions(
        [
            glance(),
            glance(ended_at=AFTER),
            glance(status=S.FAILED, reason=EndReason.MODULE_FAILURE),
            glance(status=S.SKIPPED, reason=MissReason.OVERLAP),
            glance(status=S.RUNNING, ended_at=None),
            glance(**earlier, started_at=None, ended_at=None),
        ],
        now,
    )
    day, week = record.day, record.week
    assert (day.finished, day.succeeded, day.on_time, day.late, day.missing) == (3, 2, 1, 1, 2)
    assert (week.finished, week.succeeded) == (4, 3)
    assert (day.p50_seconds, day.p95_seconds) == (540.0, 660.0)
    assert record.to_item()["24h"]["success_rate"] == 0.6667


def test_a_record_of_nothing_has_no_rate() -> None:
    item = record_of_executions([], NOON).to_item()
    assert item["24h"]["success_rate"] is None
    assert item["7d"]["p50_seconds"] is None


def test_a_modules_record_leaves_out_what_was_cancelled() -> None:
    def result(status: ResultStatus, seconds: float) -> ResultGlance:
        return ResultGlance(status=status, at=NOON, sent_at=NOON - timedelta(seconds=seconds))

    record = record_of_results(
        [
            result(ResultStatus.SUCCESS, 3),
            result(ResultStatus.SUCCESS, -1),
            result(ResultStatus.TIMED_OUT, 120),
            result(ResultStatus.CANCELLED, 1),
        ],
        NOON,
    )
    assert (record.day.finished, record.day.succeeded) == (3, 2)
    assert (record.day.p50_seconds, record.day.p95_seconds) == (0.0, 3.0)
    assert record.day.tell() == "2 of 3 succeeded, p50 0 s, p95 3 s"
    assert record_of_results([], NOON).day.tell() == "nothing finished"


@pytest.mark.parametrize(
    ("count", "percent", "expected"),
    [(1, 50, 1.0), (2, 50, 1.0), (100, 95, 95.0), (10, 95, 10.0), (0, 50, None)],
)
def test_a_percentile_is_a_value_that_was_seen(
    count: int, percent: int, expected: float | None
) -> None:
    assert percentile([float(n) for n in range(count, 0, -1)], percent) == expected
