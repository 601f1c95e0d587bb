"""Executions as every reader is shown them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from shared.domain.execution import Execution, StepRun, StepTry
from shared.domain.ids import ModuleHash
from shared.domain.punctuality import judge
from shared.domain.workflow import Step
from shared.services.explaining import explain_execution
from shared.store import Store

Names = Mapping[ModuleHash, str]


def to_items(store: Store, executions: Iterable[Execution], now: datetime) -> list[dict[str, Any]]:
    """Return the public form of executions, without the reasons that take a search."""
    executions = list(executions)
    names = store.modules.names(_modules_of(executions))
    return [to_item(execution, names, now) for execution in executions]


def to_explained_item(store: Store, execution: Execution, now: datetime) -> dict[str, Any]:
    """Return the public form of one execution, and why it went as it did."""
    (item,) = to_items(store, [execution], now)
    return item | {"why": explain_execution(store, execution, now).to_item()}


def to_item(execution: Execution, names: Names, now: datetime) -> dict[str, Any]:
    """Return the public form of an execution (times are aware datetimes)."""
    punctuality = judge(execution, now)
    workflow = execution.workflow
    return {
        "execution_id": execution.id,
        "workflow_id": execution.workflow_id,
        "workflow_name": workflow.name,
        "workflow_version": workflow.version,
        "timezone": workflow.timezone,
        "status": execution.status.value,
        "reason": execution.reason.value if execution.reason else None,
        "detail": dict(execution.detail),
        "trigger": execution.trigger.value,
        "actor": execution.actor,
        "retry_of": execution.retry_of,
        "due_at": execution.due_at,
        "created_at": execution.created_at,
        "started_at": execution.started_at,
        "ended_at": execution.ended_at,
        "duration_seconds": _seconds(execution.started_at, execution.ended_at),
        "expected_by": execution.expected_by,
        "punctuality": punctuality.value if punctuality else None,
        "cancel_requested_by": execution.cancel_requested_by,
        "steps": [
            _step_item(run, _find_step(workflow.steps, run.name), names) for run in execution.steps
        ],
    }


def _step_item(run: StepRun, step: Step | None, names: Names) -> dict[str, Any]:
    last = run.tries[-1] if run.tries else None
    chosen = last.module_hash if last else step and step.module_hash
    return {
        "name": run.name,
        "status": run.status.value,
        "reason": run.reason.value if run.reason else None,
        "error": run.error,
        "after": list(step.after) if step else [],
        "missionKind": step.mission_kind if step else None,
        "module_hash": chosen,
        "module_name": names.get(chosen) if chosen else None,
        "chosen_because": last.chosen_because if last else None,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "duration_seconds": _seconds(run.started_at, run.ended_at),
        "next_try_at": run.next_try_at,
        "result": f"/result/{last.message_id}" if last and run.ended_at else None,
        "tries": [_try_item(a_try, names) for a_try in run.tries],
    }


def _try_item(a_try: StepTry, names: Names) -> dict[str, Any]:
    return {
        "message_id": a_try.message_id,
        "message": f"/message/{a_try.message_id}",
        "module_hash": a_try.module_hash,
        "module_name": names.get(a_try.module_hash),
        "chosen_because": a_try.chosen_because,
        "at": a_try.at,
        "ended_at": a_try.ended_at,
        "reason": a_try.reason.value if a_try.reason else None,
        "error": a_try.error,
    }


def _modules_of(executions: Iterable[Execution]) -> set[ModuleHash]:
    tried = {t.module_hash for e in executions for run in e.steps for t in run.tries}
    return tried | {s.module_hash for e in executions for s in e.workflow.steps if s.module_hash}


def _find_step(steps: Iterable[Step], name: str) -> Step | None:
    return next((step for step in steps if step.name == name), None)


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return max(0.0, (end - begin).total_seconds()) if begin and end else None
