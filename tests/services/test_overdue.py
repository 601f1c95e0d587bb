"""What was due in a pause has its reason when the pause is over."""

from datetime import timedelta

import pytest

from shared.domain.execution import Execution, ExecutionStatus, MissReason
from shared.domain.ids import WorkflowId
from shared.domain.workflow import Workflow
from shared.services.overdue import leave_out_paused
from shared.services.why_lookup import explain_reference
from shared.services.workflows import pause_workflow, resume_workflow
from shared.store import Store
from tests.support.builders import ACTOR, NOON, make_workflow

NUMBER = WorkflowId(12)
HOUR = timedelta(hours=1)


@pytest.fixture
def workflow(store: Store) -> Workflow:
    """A workflow that is due every half hour, and was paused five minutes before noon."""
    made = make_workflow(workflow_id=NUMBER, crons=("*/30 * * * *",), created_at=NOON - HOUR)
    store.workflows.insert(made)
    return pause_workflow(store, NUMBER, "new turbine", ACTOR, NOON - HOUR / 12)


def executions(store: Store) -> list[Execution]:
    found = store.executions.due_between(NUMBER, NOON - 9 * HOUR, NOON + 900 * HOUR)
    return sorted(found, key=lambda execution: execution.due_at)


@pytest.mark.usefixtures("workflow")
def test_what_was_due_in_a_pause_is_missed_for_it_with_its_note(store: Store) -> None:
    resume_workflow(store, NUMBER, ACTOR, NOON + HOUR)
    (missed,) = executions(store)
    assert (missed.due_at, missed.status) == (NOON, ExecutionStatus.MISSED)
    assert missed.reason is MissReason.PAUSED
    assert missed.detail == {"count": 3, "last_due_at": NOON + HOUR}
    told = explain_reference(store, "12", "20:30", NOON + 2 * HOUR).explanation.sentence
    assert told == (
        "missed, with 2 more up to 21:00: "
        "the workflow had been paused by alice since 19:55 (new turbine)"
    )


@pytest.mark.usefixtures("workflow")
def test_a_pause_in_which_nothing_was_due_leaves_nothing(store: Store) -> None:
    resume_workflow(store, NUMBER, ACTOR, NOON - HOUR / 60)
    assert executions(store) == []


def test_what_a_killed_resume_has_recorded_is_gone_on_with(
    store: Store, workflow: Workflow
) -> None:
    leave_out_paused(store, workflow, NOON + HOUR)
    resume_workflow(store, NUMBER, ACTOR, NOON + 2 * HOUR)
    spans = [(e.due_at, e.detail["last_due_at"]) for e in executions(store)]
    assert spans == [(NOON, NOON + HOUR), (NOON + 1.5 * HOUR, NOON + 2 * HOUR)]


@pytest.mark.usefixtures("workflow")
def test_a_long_pause_is_covered_to_its_end(store: Store) -> None:
    end = NOON + 600 * HOUR
    resume_workflow(store, NUMBER, ACTOR, end)
    missed = executions(store)
    assert [execution.detail["count"] for execution in missed] == [1000, 201]
    assert missed[-1].detail["last_due_at"] == end


def test_all_that_was_due_before_a_pause_is_recorded(store: Store) -> None:
    late = NOON - 600 * HOUR
    crons = ("*/30 * * * *",)
    made = make_workflow(workflow_id=NUMBER, crons=crons, created_at=late, next_due_at=late)
    store.workflows.insert(made)
    pause_workflow(store, NUMBER, "", ACTOR, NOON)
    found = sorted(store.executions.due_between(NUMBER, late, NOON + HOUR), key=lambda e: e.due_at)
    assert [execution.detail["count"] for execution in found] == [1000, 201]
    assert {execution.reason for execution in found} == {MissReason.PAUSED}
    paused = store.workflows.get(NUMBER)
    assert paused is not None
    assert paused.next_due_at is None
