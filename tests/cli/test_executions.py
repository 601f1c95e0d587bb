"""platformctl execution, platformctl why."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.clock import utc_now
from shared.domain.execution import Execution, ExecutionStatus, MissReason, StepStatus, scheduled_id
from shared.domain.message import EndReason
from shared.store import Store
from tests.cli.conftest import Run
from tests.support.builders import (
    make_execution,
    make_message,
    make_step,
    make_step_run,
    make_step_try,
    make_workflow,
)
from tests.support.registry import Registry

Json = Callable[..., Any]


@pytest.fixture
def due_at() -> datetime:
    return utc_now().replace(microsecond=0) - timedelta(minutes=20)


@pytest.fixture
def failed(store: Store, registry: Registry, due_at: datetime) -> Execution:
    """An execution whose one step failed, by a module that is registered."""
    module = registry.register("load-72h")
    workflow = make_workflow(
        workflow_id=12, steps=(make_step(module_hash=module.module_hash),), created_at=due_at
    )
    store.workflows.insert(workflow)
    end = due_at + timedelta(seconds=12)
    a_try = make_step_try(
        message_id="m1",
        module_hash=module.module_hash,
        at=due_at,
        ended_at=end,
        chosen_because="named by the workflow",
        reason=EndReason.MODULE_FAILURE,
        error="no weather data",
    )
    run = make_step_run(
        status=StepStatus.FAILED,
        tries=(a_try,),
        started_at=due_at,
        ended_at=end,
        reason=EndReason.MODULE_FAILURE,
        error="no weather data",
    )
    execution = make_execution(
        workflow=workflow,
        due_at=due_at,
        status=ExecutionStatus.FAILED,
        reason=EndReason.MODULE_FAILURE,
        steps=(run,),
        started_at=due_at,
        ended_at=end,
        expected_by=due_at + timedelta(minutes=5),
    )
    store.executions.insert([execution])
    return execution


WHY = (
    "failed: the module load-72h answered 'no weather data' after 12 s "
    "(attempt 1; a module's own failure is not retried)"
)


def test_executions_are_listed_newest_first(
    failed: Execution, store: Store, run: Run, run_json: Json, due_at: datetime
) -> None:
    other = make_execution(workflow=make_workflow(workflow_id=13, name="prices"), due_at=utc_now())
    store.executions.insert([other])
    lines = run("execution", "list").stdout.splitlines()
    assert lines[0].split() == [
        *("execution", "workflow", "due", "status", "punctuality", "took", "trigger", "reason")
    ]
    assert [line.split()[0] for line in lines[1:]] == [other.id, failed.id]
    assert lines[2].split()[4:] == ["failed", "missing", "12", "s", "schedule", "module_failure"]
    assert [e["execution_id"] for e in run_json("execution", "list", "--limit", "1")] == [other.id]


def test_executions_are_filtered(failed: Execution, run: Run, run_json: Json) -> None:
    def found(*options: str) -> list[str]:
        return [item["execution_id"] for item in run_json("execution", "list", *options)]

    assert found("--workflow", "load-72h") == [failed.id]
    assert found("--workflow", "12", "--status", "failed", "--since", "1h") == [failed.id]
    assert found("--status", "missed") == []
    assert found("--since", "1m") == []
    assert run("execution", "list", "--workflow", "unknown").exit_code == 1
    assert run("execution", "list", "--status", "missed").stderr == "No execution matches.\n"


def test_an_execution_is_shown_with_steps_and_why(
    failed: Execution, run: Run, run_json: Json
) -> None:
    item = run_json("execution", "show", failed.id)
    assert (item["status"], item["punctuality"]) == ("failed", "missing")
    assert item["why"]["sentence"] == WHY
    (step,) = item["steps"]
    assert (step["module_name"], step["chosen_because"]) == ("load-72h", "named by the workflow")
    assert (step["result"], step["tries"][0]["message"]) == ("/result/m1", "/message/m1")
    text = run("execution", "show", failed.id[:15]).stdout
    assert "named by the workflow" in text
    assert text.endswith(f"{WHY}\n")


def test_a_sentence_says_the_zone_of_its_times_where_that_is_not_the_machines(
    failed: Execution, run: Run, in_zone: Callable[[str], None]
) -> None:
    in_zone("UTC")
    told = "Times in this sentence are those of Asia/Shanghai.\n"
    assert run("execution", "show", failed.id).stderr == told
    in_zone("Asia/Shanghai")
    assert run("execution", "show", failed.id).stderr == ""


def test_an_ambiguous_beginning_lists_the_candidates(
    failed: Execution, store: Store, run: Run
) -> None:
    again = make_execution(id=f"{failed.id}-abc", workflow=failed.workflow, due_at=failed.due_at)
    store.executions.insert([again])
    result = run("execution", "show", failed.id[:14])
    assert result.exit_code == 1
    assert f"{failed.id}  failed" in result.stderr
    assert f"{again.id}  running" in result.stderr
    assert run("execution", "show", "12-20000101").exit_code == 1


def test_why_tells_the_sentence_and_its_evidence(
    failed: Execution, run: Run, run_json: Json
) -> None:
    result = run("why", failed.id)
    lines = result.stdout.splitlines()
    assert lines[0] == WHY
    assert lines[2].split() == ["at", "subject", "what", "reason"]
    assert any("sent to load-72h (try 1)" in line for line in lines)
    assert any(line.split()[2:5] == ["this", "execution", "due"] for line in lines)
    assert f"About execution {failed.id}" in result.stderr
    item = run_json("why", failed.id)
    assert item["subject"] == {"kind": "execution", "id": failed.id}
    assert item["sentence"] == WHY
    assert item["evidence"][0]["at"].endswith("Z")


def test_why_takes_a_workflow_and_a_time(failed: Execution, run_json: Json) -> None:
    due = failed.due_at.isoformat()
    for arguments in (("load-72h",), ("12",), ("load-72h", due)):
        assert run_json("why", *arguments)["sentence"] == WHY


def test_why_takes_a_message(store: Store, run_json: Json) -> None:
    store.messages.insert([make_message(id="m7", created_at=utc_now())])
    assert run_json("why", "m7")["subject"] == {"kind": "message", "id": "m7"}


def test_why_of_something_unknown_is_one_sentence(run: Run) -> None:
    result = run("why", "nothing")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: No execution, message or workflow is 'nothing'.\n"


def test_a_miss_tells_the_policy(failed: Execution, store: Store, run_json: Json) -> None:
    due_at = failed.due_at - timedelta(minutes=30)
    missed = make_execution(
        id=scheduled_id(12, due_at),
        workflow=failed.workflow,
        due_at=due_at,
        created_at=failed.due_at,
        status=ExecutionStatus.MISSED,
        reason=MissReason.NO_WORKER,
        detail={"instead": failed.id, "from": due_at, "until": failed.due_at},
    )
    store.executions.insert([missed])
    told = run_json("why", missed.id)["sentence"]
    assert told.startswith("missed: no worker was running between ")
    assert "policy latest_only ran " in told


def test_a_failed_execution_is_tried_again(
    failed: Execution, store: Store, run: Run, run_json: Json
) -> None:
    item = run_json("execution", "retry", failed.id[:15])
    assert (item["retry_of"], item["trigger"]) == (failed.id, "retry")
    stored = store.executions.get(item["execution_id"])
    assert stored is not None
    assert stored.actor.startswith("user:")
    refused = run("execution", "retry", item["execution_id"])
    assert refused.exit_code == 1
    assert "cancel it first" in refused.stderr


def test_a_running_execution_is_cancelled_by_whom_the_command_runs_for(
    failed: Execution, store: Store, run: Run, run_json: Json
) -> None:
    running = make_execution(workflow=failed.workflow, due_at=utc_now().replace(microsecond=0))
    store.executions.insert([running])
    result = run("execution", "cancel", running.id)
    assert result.exit_code == 0, result.output
    assert result.stderr == f"The execution {running.id} of load-72h is cancelled.\n"
    assert run_json("why", running.id)["sentence"].startswith("cancelled: ")
    again = run("execution", "cancel", running.id)
    assert again.exit_code == 1
    assert "has ended" in again.stderr
