"""A workflow as it is shown: in the form of a file that makes it again, and as programs read it."""

from collections.abc import Mapping
from typing import Any

from shared.domain.ids import ModuleHash
from shared.domain.workflow import Step, Workflow

Names = Mapping[ModuleHash, str]


def to_file(workflow: Workflow, names: Names | None = None) -> dict[str, Any]:
    """Return a workflow as a file says it; modules by these names, which must be theirs alone."""
    return {
        "workflow_id": workflow.workflow_id,
        "name": workflow.name,
        "description": workflow.description,
        "enable": workflow.enabled,
        "execute_cron_list": list(workflow.crons),
        "timezone": workflow.timezone,
        "execute_shift_time": workflow.shift_time,
        "execute_shift_unit": workflow.shift_unit.value,
        "overlap": workflow.overlap.value,
        "misfire": workflow.misfire.value,
        "timeout_seconds": workflow.timeout_seconds,
        "start_timeout_seconds": workflow.start_timeout_seconds,
        "retries": workflow.retries,
        "expected_within_seconds": workflow.expected_within_seconds,
        "pause_after_failures": workflow.pause_after_failures,
        "steps": [_step_of_file(step, names or {}) for step in workflow.steps],
    }


def to_item(workflow: Workflow, names: Names) -> dict[str, Any]:
    """Return the public form of a workflow, with what earlier clients read in it."""
    pause = workflow.pause
    return {
        "id": str(workflow.workflow_id),
        **to_file(workflow),
        "steps": [_step_item(step, names) for step in workflow.steps],
        "execute_modules": [_earlier_entry(step, names) for step in workflow.steps],
        "state": state_of(workflow),
        "pause": pause
        and {"at": pause.at, "actor": pause.actor, "reason": pause.reason, "note": pause.note},
        "next_due_at": workflow.next_due_at,
        "failures_in_a_row": workflow.failures_in_a_row,
        "version": workflow.version,
        "created_at": workflow.created_at,
        "updated_at": workflow.updated_at,
    }


def state_of(workflow: Workflow) -> str:
    """Return whether it is active, paused or disabled."""
    if not workflow.enabled:
        return "disabled"
    return "paused" if workflow.pause else "active"


def modules_of(workflow: Workflow) -> set[ModuleHash]:
    """Return every module that the steps of a workflow name."""
    named = {step.module_hash for step in workflow.steps if step.module_hash}
    return named.union(*(step.fallback for step in workflow.steps))


def find_difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return {field: {from, to}} of what one file says otherwise than another, step by step."""
    difference = _compare(before, after, [key for key in after if key != "steps"], "")
    old, new = ({step["name"]: step for step in file["steps"]} for file in (before, after))
    for name in [*old, *(name for name in new if name not in old)]:
        if name in old and name in new:
            keys = [*old[name], *(key for key in new[name] if key not in old[name])]
            difference |= _compare(old[name], new[name], keys, f"steps[{name}].")
        else:
            difference[f"steps[{name}]"] = {"from": old.get(name), "to": new.get(name)}
    if not difference and list(old) != list(new):
        difference["steps"] = {"from": list(old), "to": list(new)}
    return difference


def _compare(
    before: Mapping[str, Any], after: Mapping[str, Any], keys: Any, prefix: str
) -> dict[str, Any]:
    return {
        f"{prefix}{key}": {"from": before.get(key), "to": after.get(key)}
        for key in keys
        if before.get(key) != after.get(key)
    }


def _step_of_file(step: Step, names: Names) -> dict[str, Any]:
    target: dict[str, Any] = {"missionKind": step.mission_kind}
    if step.module_hash is not None:
        target = {"module": names.get(step.module_hash, step.module_hash)}
    return {
        "name": step.name,
        **target,
        "fallback": [names.get(module_hash, module_hash) for module_hash in step.fallback],
        "args": dict(step.args),
        "after": list(step.after),
    }


def _step_item(step: Step, names: Names) -> dict[str, Any]:
    return {
        "name": step.name,
        "module_hash": step.module_hash,
        "module_name": names.get(step.module_hash) if step.module_hash else None,
        "missionKind": step.mission_kind,
        "fallback": list(step.fallback),
        "args": dict(step.args),
        "after": list(step.after),
    }


def _earlier_entry(step: Step, names: Names) -> dict[str, Any]:
    """Return a step as earlier clients read it; they know nothing of kinds."""
    if step.module_hash is None:
        return {"missionKind": step.mission_kind, "args": dict(step.args)}
    named = {"module_hash": step.module_hash, "name": names.get(step.module_hash)}
    return {**named, "args": dict(step.args)}
