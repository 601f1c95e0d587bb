"""The figures of workflows and modules, read from a database."""

from datetime import datetime, timedelta

from shared.domain.execution import ExecutionStatus
from shared.domain.result import ResultStatus
from shared.services.punctuality import punctuality_of, record_of_module
from shared.store import Store
from tests.support.builders import make_execution, make_result, make_workflow


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
