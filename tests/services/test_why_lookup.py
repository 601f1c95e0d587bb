"""What a question "why" is about, and what it is answered when nothing is recorded."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.event import worker_subject
from shared.domain.execution import Execution, ExecutionStatus, MissReason, StepStatus, Trigger
from shared.domain.workflow import Workflow
from shared.errors import Conflict, InvalidData, NotFound
from shared.services.why_lookup import explain_reference, parse_due
from shared.services.worker_presence import note_worker
from shared.store import Store
from tests.support.builders import (
    make_execution,
    make_message,
    make_step_run,
    make_step_try,
    make_workflow,
)
from tests.support.registry import Registry

# 20:00 in Shanghai.
SHANGHAI = "Asia/Shanghai"
WORKER = worker_subject("host-a", 10083)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


@pytest.fixture
def workflow(store: Store, now: datetime) -> Workflow:
    """A workflow that is due every half hour."""
    made = make_workflow(
        workflow_id=12, crons=("*/30 * * * *",), created_at=now - timedelta(days=30)
    )
    store.workflows.insert(made)
    return made


def insert(store: Store, workflow: Workflow, due_at: datetime, **overrides: Any) -> Execution:
    execution = make_execution(workflow=workflow, due_at=due_at, **overrides)
    assert store.executions.insert([execution]) == 1
    return execution


def sentence(store: Store, now: datetime, reference: str, due: str | None = None) -> str:
    return explain_reference(store, reference, due, now).explanation.sentence


def test_an_execution_is_asked_about_by_the_beginning_of_its_id(
    store: Store, workflow: Workflow, now: datetime
) -> None:
    insert(store, workflow, now, status=ExecutionStatus.SKIPPED, reason=MissReason.OVERLAP)
    told = explain_reference(store, "12-20260301T12", None, now)
    assert (told.kind, told.id) == ("execution", "12-20260301T120000")
    assert told.to_item()["sentence"].startswith("skipped: ")


def test_a_message_is_asked_about_by_its_id(store: Store, now: datetime) -> None:
    store.messages.insert([make_message(id="forecast-of-tomorrow")])
    told = explain_reference(store, "forecast-of-tomorrow", None, now)
    assert told.kind == "message"
    assert told.explanation.sentence.startswith("queued: ")


def test_a_workflow_is_asked_about_by_a_local_time(
    store: Store, workflow: Workflow, now: datetime
) -> None:
    insert(store, workflow, now, status=ExecutionStatus.FAILED)
    for due in ("20:00", "2026-03-01T20:00", "2026-03-01 20:00:00", "2026-03-01T13:00+01:00"):
        assert sentence(store, now + minutes(5), "12", due).startswith("failed: ")


def test_one_missed_execution_may_stand_for_many_due_times(
    store: Store, workflow: Workflow, now: datetime
) -> None:
    detail = {"count": 40, "last_due_at": now - minutes(30)}
    first = now - minutes(30 * 40)
    insert(
        store,
        workflow,
        first,
        status=ExecutionStatus.MISSED,
        reason=MissReason.NO_WORKER,
        created_at=now,
        detail={**detail, "from": first - minutes(1), "until": now},
    )
    assert sentence(store, now, "load-72h", "12:30") == (
        "missed, with 39 more up to 19:30: "
        "no worker was running between 2026-02-28 23:59 and 20:00; "
        "policy latest_only runs only the latest, "
        "and the last of them was 30 min late, 10 min are allowed"
    )


def test_a_time_at_which_it_is_not_due_is_refused_with_those_near_it(
    store: Store, workflow: Workflow, now: datetime
) -> None:
    with pytest.raises(NotFound, match=r"not due at 19:40 \(Asia/Shanghai\), but at 19:30 and 20"):
        explain_reference(store, "12", "19:40", now)


def test_what_nobody_recorded_yet_is_said(store: Store, workflow: Workflow, now: datetime) -> None:
    note_worker(store, WORKER, now - minutes(1))
    later = now + minutes(2)
    assert sentence(store, later, "12", "20:00") == (
        "not recorded yet: no worker has run since 19:59"
    )
    assert sentence(store, later, "12", "2026-03-01T20:30").startswith("not due yet: ")


def test_a_workflow_whose_time_passed_without_a_worker_is_its_own_trouble(
    store: Store, now: datetime
) -> None:
    store.workflows.insert(
        make_workflow(workflow_id=3, name="prices", next_due_at=now, created_at=now - minutes(60))
    )
    note_worker(store, WORKER, now - minutes(1))
    assert sentence(store, now + minutes(2), "prices") == (
        "not recorded yet: no worker has run since 19:59"
    )


def test_the_last_trouble_of_a_workflow_is_found_behind_its_successes(
    store: Store, workflow: Workflow, now: datetime
) -> None:
    failed = insert(store, workflow, now - minutes(90), status=ExecutionStatus.FAILED)
    for age in (0, 30, 60):
        insert(
            store,
            workflow,
            now - minutes(age),
            status=ExecutionStatus.SUCCEEDED,
            ended_at=now - minutes(age),
        )
    told = explain_reference(store, "load-72h", None, now)
    assert told.id == failed.id


def test_a_late_success_is_a_trouble(store: Store, workflow: Workflow, now: datetime) -> None:
    insert(
        store,
        workflow,
        now,
        status=ExecutionStatus.SUCCEEDED,
        expected_by=now + minutes(5),
        started_at=now,
        ended_at=now + minutes(9),
    )
    assert sentence(store, now + minutes(10), "12").startswith("late by 4 min: ")


def test_a_workflow_without_trouble_says_so(
    store: Store, workflow: Workflow, now: datetime
) -> None:
    assert sentence(store, now, "12") == "nothing to explain: load-72h was never due so far"
    insert(store, workflow, now - minutes(30), status=ExecutionStatus.SUCCEEDED)
    insert(store, workflow, now, status=ExecutionStatus.SUCCEEDED, trigger=Trigger.OPERATOR)
    assert sentence(store, now, "12") == (
        "nothing to explain: all 2 executions of load-72h in the last 30 min went well"
    )


def insert_at_module(store: Store, workflow: Workflow, begun: datetime) -> Execution:
    a_try = make_step_try(module_hash=workflow.steps[0].module_hash, at=begun)
    run = make_step_run(status=StepStatus.SENT, tries=(a_try,), started_at=begun)
    return insert(store, workflow, begun, created_at=begun, steps=(run,))


def test_a_workflow_whose_work_waits_at_a_module_is_told_where(
    store: Store, workflow: Workflow, now: datetime
) -> None:
    insert(store, workflow, now - minutes(30), status=ExecutionStatus.SUCCEEDED)
    insert_at_module(store, workflow, now)
    for later in (now, now + minutes(5)):
        assert sentence(store, later, "12").startswith("running: step forecast has been at ")


def test_what_has_just_begun_does_not_hide_the_last_trouble(
    store: Store, workflow: Workflow, now: datetime
) -> None:
    insert(store, workflow, now - minutes(30), status=ExecutionStatus.FAILED)
    insert_at_module(store, workflow, now)
    assert sentence(store, now + minutes(0.1), "12").startswith("failed: ")
    assert sentence(store, now + minutes(1), "12").startswith("running: ")


def test_a_workflow_that_waits_for_its_next_try_says_when(
    store: Store, workflow: Workflow, now: datetime
) -> None:
    run = make_step_run(status=StepStatus.WAITING, next_try_at=now + minutes(1), started_at=now)
    insert(store, workflow, now, steps=(run,))
    assert "is tried next at 20:01" in sentence(store, now, "12")


def test_what_is_unknown_or_ambiguous_is_refused(
    store: Store, workflow: Workflow, now: datetime
) -> None:
    insert(store, workflow, now)
    insert(store, workflow, now - minutes(30))
    with pytest.raises(NotFound, match="No execution, message or workflow is 'nothing'"):
        explain_reference(store, "nothing", None, now)
    with pytest.raises(Conflict, match="12-20260301T113000"):
        explain_reference(store, "12-20260301", None, now)
    with pytest.raises(InvalidData, match="'soon' is neither 09:30 nor"):
        explain_reference(store, "12", "soon", now)


def test_what_is_called_like_a_module_is_said_to_be_one(
    store: Store, registry: Registry, now: datetime
) -> None:
    registry.register("wind-a")
    with pytest.raises(NotFound, match=r"'wind-a' is a module, .* `platformctl show wind-a`"):
        explain_reference(store, "wind-a", None, now)


def test_a_workflow_that_may_be_meant_is_named(
    store: Store, workflow: Workflow, now: datetime
) -> None:
    with pytest.raises(NotFound, match=r"workflow is 'laod-72h'\. Near it: load-72h\."):
        explain_reference(store, "laod-72h", None, now)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("19:30", datetime(2026, 3, 1, 11, 30, tzinfo=UTC)),
        ("9:30", datetime(2026, 3, 1, 1, 30, tzinfo=UTC)),
        ("20:00:00", datetime(2026, 3, 1, 12, 0, tzinfo=UTC)),
        ("20:01", datetime(2026, 2, 28, 12, 1, tzinfo=UTC)),
        ("2026-02-01T09:30", datetime(2026, 2, 1, 1, 30, tzinfo=UTC)),
        ("2026-02-01T09:30Z", datetime(2026, 2, 1, 9, 30, tzinfo=UTC)),
    ],
)
def test_a_due_time_is_local_and_the_last_one(text: str, expected: datetime, now: datetime) -> None:
    assert parse_due(text, SHANGHAI, now) == expected


@pytest.mark.parametrize("text", ["", "24:00", "29:30", "9", "noon", "2026-13-01", "9:3"])
def test_what_is_no_time_is_refused(text: str, now: datetime) -> None:
    with pytest.raises(InvalidData):
        parse_due(text, SHANGHAI, now)
