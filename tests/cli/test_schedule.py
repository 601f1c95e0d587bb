"""platformctl schedule: what fires next."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.clock import utc_now
from shared.domain.workflow import Pause, ShiftUnit, Workflow
from shared.store import Store
from tests.cli.conftest import Run
from tests.support.builders import ACTOR, NOON, make_workflow

RunJson = Callable[..., Any]
DAY = ("--from", "2026-05-01T00:00Z", "--to", "2026-05-02T00:00Z")


def add(store: Store, number: int, *crons: str, **overrides: Any) -> Workflow:
    workflow = make_workflow(
        workflow_id=number, name=f"workflow-{number}", crons=crons, **overrides
    )
    store.workflows.insert(workflow)
    return workflow


def test_the_firings_of_all_workflows_are_in_one_order(store: Store, run_json: RunJson) -> None:
    add(store, 1, "30 9 * * *")
    add(
        store,
        2,
        "0 9,10 * * *",
        timezone="Europe/Berlin",
        shift_time=-5,
        shift_unit=ShiftUnit.MINUTE,
    )
    found = [(f["local_time"], f["name"]) for f in run_json("schedule", *DAY)]
    assert found == [
        ("2026-05-01T09:30:00+08:00", "workflow-1"),
        ("2026-05-01T08:55:00+02:00", "workflow-2"),
        ("2026-05-01T09:55:00+02:00", "workflow-2"),
    ]


def test_the_next_twenty_are_shown(store: Store, run: Run, run_json: RunJson) -> None:
    add(store, 1, "* * * * *")
    add(store, 2, "*/2 * * * *")
    found = run_json("schedule")
    assert len(found) == 20
    now = utc_now()
    due = [datetime.fromisoformat(firing["due_at"]) for firing in found]
    assert due == sorted(due)
    assert now - timedelta(minutes=1) < due[0] <= now + timedelta(minutes=1)
    assert len(run("schedule").stdout.splitlines()) == 21
    assert len(run_json("schedule", "--limit", "3")) == 3


def test_one_workflow_is_shown_by_its_name(store: Store, run_json: RunJson) -> None:
    add(store, 1, "@hourly")
    add(store, 2, "@daily")
    found = run_json("schedule", "--workflow", "workflow-2", *DAY)
    assert [firing["workflow_id"] for firing in found] == [2]


def test_what_does_not_fire_is_not_shown(store: Store, run: Run) -> None:
    add(store, 1, "@hourly", enabled=False)
    add(store, 2, "@hourly", pause=Pause(at=NOON, actor=ACTOR, reason="operator"))
    result = run("schedule")
    assert (result.stdout, result.exit_code) == ("", 0)
    assert "Nothing fires in that time." in result.stderr


def test_what_is_overdue_is_told(store: Store, run: Run) -> None:
    add(store, 1, "@yearly", next_due_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert "Overdue, and not fired: workflow-1." in run("schedule").stderr


def test_a_time_that_is_none_is_refused(run: Run) -> None:
    result = run("schedule", "--to", "soon")
    assert result.exit_code == 2
    assert "'soon' is neither 90s, 30m, 2h, 7d nor 2026-11-21T10:00." in result.stderr
