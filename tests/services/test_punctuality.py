"""The figures of workflows and modules, read from a database."""

from datetime import datetime, timedelta
from itertools import takewhile
from random import Random

import pytest

from shared.domain.actor import PLATFORM
from shared.domain.execution import ExecutionStatus, scheduled_id
from shared.domain.ids import WorkflowId
from shared.domain.result import ResultStatus
from shared.services.executions import retry_execution
from shared.services.punctuality import count_an_hour, punctuality_of, record_of_module
from shared.store import Store
from tests.support.builders import make_execution, make_result, make_workflow
from tests.support.registry import Registry
from tests.support.schedules import Schedules, fail

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def schedules(store: Store, registry: Registry) -> Schedules:
    return Schedules(store, registry)


def test_each_workflow_has_a_record_of_its_own(store: Store, now: datetime) -> None:
    one, two = make_workflow(workflow_id=1), make_workflow(workflow_id=2)
    hours = [timedelta(hours=number) for number in (1, 2, 30, 8 * 24)]
    store.executions.insert(
        [
            make_execution(
                workflow=one,
                due_at=now - ago,
                status=ExecutionStatus.SUCCEEDED,
                started_at=now - ago,
                ended_at=now - ago + timedelta(seconds=20),
            )
            for ago in hours
        ]
    )
    store.executions.insert(
        [make_execution(workflow=two, due_at=now - hours[0], status=ExecutionStatus.FAILED)]
    )
    records = punctuality_of(store, [1, 2, 3], now)
    assert [(r.day.succeeded, r.week.succeeded) for r in records.values()] == [
        (2, 3),
        (0, 0),
        (0, 0),
    ]
    assert records[1].day.p95_seconds == 20.0
    assert records[2].day.success_rate == 0.0
    assert records[3].day.success_rate is None


def test_a_miss_counts_for_all_the_due_times_that_it_stands_for(
    store: Store, now: datetime
) -> None:
    missed = make_execution(
        due_at=now - timedelta(hours=2),
        expected_by=now - timedelta(hours=1),
        status=ExecutionStatus.MISSED,
        detail={"count": 40},
    )
    store.executions.insert([missed])
    record = punctuality_of(store, [1], now)[1]
    assert (record.day.finished, record.day.missing) == (40, 40)


def count_all(store: Store, now: datetime) -> int:
    return sum(1 for _ in takewhile(bool, (count_an_hour(store, now) for _ in range(1000))))


def store_week(store: Store, now: datetime) -> None:
    """Store a week of executions of five workflows, which went in many ways."""
    chance = Random(7)
    statuses = [status for status in ExecutionStatus if status.is_final]
    executions = []
    for number in range(1, 6):
        workflow = make_workflow(workflow_id=number)
        for ago in range(0, 8 * 24 * 60, 97):
            due_at = now - ago * MINUTE
            ended_at = due_at + chance.randrange(1, 600) * timedelta(seconds=1)
            executions.append(
                make_execution(
                    workflow=workflow,
                    due_at=due_at,
                    expected_by=due_at + 5 * MINUTE,
                    status=ExecutionStatus.RUNNING if ago == 97 * 30 else chance.choice(statuses),
                    started_at=due_at,
                    ended_at=ended_at,
                )
            )
    store.executions.insert(executions)


@pytest.mark.parametrize("minutes", [0, 25])
def test_the_list_tells_the_same_as_each_workflow(
    store: Store, now: datetime, minutes: int
) -> None:
    now += minutes * MINUTE
    store_week(store, now)
    each = {number: punctuality_of(store, [number], now)[number] for number in range(1, 7)}
    assert punctuality_of(store, range(1, 7), now) == each
    assert count_all(store, now) == 166  # of 167: in one of them something runs
    assert punctuality_of(store, range(1, 7), now) == each
    assert count_all(store, now) == 0


def test_an_hour_that_was_counted_is_not_read_again(store: Store, now: datetime) -> None:
    store_week(store, now)
    before = punctuality_of(store, range(1, 6), now)
    count_all(store, now)
    inside = {"$gt": now - 23 * HOUR, "$lt": now - 3 * HOUR}
    store.executions._collection.delete_many({"due_at": inside})
    assert punctuality_of(store, range(1, 6), now) == before


def test_an_hour_is_counted_anew_when_one_of_its_executions_is_run_again(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    for number in range(1, 6):
        schedules.add(workflow_id=number)
    schedules.run(now, fail)
    later = now + 3 * HOUR
    count_all(store, later)
    assert punctuality_of(store, range(1, 6), later)[1].day.succeeded == 0
    retry_execution(store, scheduled_id(WorkflowId(1), now), PLATFORM, later)
    schedules.run(later)
    for _ in range(2):
        assert punctuality_of(store, range(1, 6), later)[1].day.succeeded == 1
        count_all(store, later)


def test_an_hour_in_which_something_is_still_due_is_not_counted(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add(next_due_at=now)
    count_all(store, now + 3 * HOUR)
    assert max(store.tallies.hours()) == now - HOUR
    schedules.work(now + 3 * HOUR)
    count_all(store, now + 3 * HOUR)
    assert max(store.tallies.hours()) == now + HOUR


def test_hours_of_long_ago_are_forgotten(store: Store, now: datetime) -> None:
    count_all(store, now)
    count_all(store, now + timedelta(days=30))
    assert min(store.tallies.hours()) == now + timedelta(days=23)


def test_a_modules_record_is_made_of_its_results(store: Store, now: datetime) -> None:
    module = make_result().module_hash
    store.results.insert(
        [
            make_result(message_id="a", at=now, sent_at=now - timedelta(seconds=4)),
            make_result(message_id="b", at=now, status=ResultStatus.TIMED_OUT),
            make_result(message_id="c", at=now - timedelta(days=8)),
            make_result(message_id="d", at=now, module_hash="other"),
        ]
    )
    record = record_of_module(store, module, now)
    assert (record.week.finished, record.week.succeeded) == (2, 1)
    assert record.day.p50_seconds == 4.0
