"""The message of a step: what a module is sent when it is its turn."""

from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from shared.domain.actor import PLATFORM
from shared.domain.execution import Execution
from shared.domain.execution_progress import life_seconds
from shared.domain.message import Message
from shared.domain.result import Result

# Half of what a document may take.
LARGEST_CONTENT_BYTES = 8 * 2**20


def step_message(
    execution: Execution,
    position: int,
    *,
    mission_kind: str,
    windows: Any,
    inputs: Mapping[str, Result],
) -> Message:
    """Return the message of a step's last try; made twice, it is the same."""
    run = execution.steps[position]
    a_try = run.tries[-1]
    useful_until = a_try.at + timedelta(seconds=life_seconds(execution))
    return Message(
        id=a_try.message_id,
        module_hash=a_try.module_hash,
        content=_content(execution, position, windows, inputs),
        created_at=a_try.at,
        useful_until=useful_until,
        deadline_at=useful_until,
        sender=PLATFORM,
        mission_kind=mission_kind,
        timeout_seconds=execution.workflow.timeout_seconds,
        start_timeout_seconds=execution.workflow.start_timeout_seconds,
        workflow_id=execution.workflow_id,
        execution_id=execution.id,
        step=run.name,
        chosen_because=a_try.chosen_because,
    )


def _content(
    execution: Execution, position: int, windows: Any, inputs: Mapping[str, Result]
) -> str:
    workflow = execution.workflow
    step = workflow.steps[position]
    local = execution.due_at.astimezone(ZoneInfo(workflow.timezone)).replace(tzinfo=None)
    meta = {
        "execution_id": execution.id,
        "execution_time": local.isoformat(timespec="seconds"),
        "workflow_id": workflow.workflow_id,
        "workflow_name": workflow.name,
        "step": step.name,
        "try": len(execution.steps[position].tries),
        "due_at": execution.due_at.astimezone(UTC),
        "windows": windows,
        # As the modules wrote them: no digit is lost on the way.
        "inputs": {
            name: orjson.Fragment(result.content or "null") for name, result in inputs.items()
        },
    }
    content = {"type": "execute", "meta": meta, "args": step.args}
    return orjson.dumps(content, option=orjson.OPT_UTC_Z).decode()
