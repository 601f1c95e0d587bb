"""What operators do with executions: run a workflow now, cancel an execution, try one again."""

import secrets
from dataclasses import replace
from datetime import datetime

from shared.domain.actor import Actor
from shared.domain.draft import next_id
from shared.domain.execution import (
    UNFINISHED,
    Execution,
    ExecutionStatus,
    StepStatus,
    Trigger,
)
from shared.domain.firing import new_execution
from shared.domain.ids import ExecutionId, MessageId, WorkflowId
from shared.domain.workflow import Workflow
from shared.errors import Conflict, NotFound
from shared.services.cancelling import cancel_requested
from shared.services.execution_ends import note_ends
from shared.services.step_sending import find_missing_inputs, send_messages, start_ready_steps
from shared.store import Store, batch_timeout

# Each lost race means that the execution went on; it has few steps.
CANCEL_TRIES = 20


def run_workflow(store: Store, workflow: Workflow, actor: Actor, now: datetime) -> Execution:
    """Run a workflow now, whatever its schedule says; return the execution."""
    due_at = now.replace(microsecond=0)
    execution = new_execution(
        workflow,
        _new_id(workflow.workflow_id, due_at),
        due_at,
        now,
        trigger=Trigger.OPERATOR,
        actor=actor,
    )
    begun = _begin(store, execution, now)
    assert begun is not None, "its id is a new one"
    return begun


def retry_execution(
    store: Store, execution_id: ExecutionId, actor: Actor, now: datetime
) -> Execution:
    """Run an execution again for its own time: the steps that succeeded keep their results.

    The workflow is taken as it is now, if its steps still have the same names, else as it was. The
    new id is made of the old one: of two operators that retry at once, one does.
    Raises NotFound, or Conflict for one that goes on, succeeded, was retried already, or needs
    results that are purged.
    """
    old = get_execution(store, execution_id)
    if old.status in UNFINISHED:
        raise Conflict(f"The execution {old.id} is still {old.status.value}: cancel it first.")
    if old.status is ExecutionStatus.SUCCEEDED:
        raise Conflict(f"The execution {old.id} succeeded: run the workflow instead.")
    _refuse_second_retry(store, old)
    workflow = _workflow_for_retry(store, old)
    fresh = new_execution(
        workflow,
        _next_id(old.id),
        old.due_at,
        now,
        trigger=Trigger.RETRY,
        actor=actor,
    )
    kept = {run.name: run for run in old.steps if run.status is StepStatus.SUCCEEDED}
    steps = tuple(kept.get(run.name, run) for run in fresh.steps)
    retry = replace(fresh, steps=steps, retry_of=old.id)
    missing = find_missing_inputs(store, retry)
    if missing:
        raise Conflict(
            f"The results of {', '.join(map(repr, missing))} are purged, and other steps need them: "
            "run the workflow instead."
        )
    begun = _begin(store, retry, now)
    if begun is None:
        _refuse_second_retry(store, old)
        raise Conflict(f"The execution {old.id} was retried, and the retry is gone: try again.")
    return begun


def cancel_execution(
    store: Store, execution_id: ExecutionId, actor: Actor, now: datetime
) -> Execution:
    """Cancel an execution that waits or runs; raises NotFound, or Conflict when it has ended.

    First it is written down that it shall be cancelled: from then on the worker finishes this, too.
    """
    for _ in range(CANCEL_TRIES):
        execution = get_execution(store, execution_id)
        if execution.status.is_final:
            raise Conflict(f"The execution {execution.id} has ended: {execution.status.value}.")
        if execution.cancel_requested_by is None:
            wanted = replace(execution, cancel_requested_by=actor, revision=execution.revision + 1)
            if not store.executions.replace(execution, wanted):
                continue
            execution = wanted
        ended = cancel_requested(store, execution, now)
        if ended is not None:
            return ended
    raise Conflict(f"The execution {execution_id} changes all the time: try again.")


def get_execution(store: Store, execution_id: ExecutionId) -> Execution:
    """Return the execution with this id; raises NotFound."""
    execution = store.executions.get(execution_id)
    if execution is None:
        raise NotFound(f"No execution has the id {execution_id[:80]!r}.")
    return execution


def _begin(store: Store, execution: Execution, now: datetime) -> Execution | None:
    """Store an execution and send its first steps; None when its id exists already."""
    with batch_timeout():
        (started,) = start_ready_steps(store, [execution], now)
        if not store.executions.insert([started]):
            return None
        send_messages(store, [started], now)
        note_ends(store, [started], now)
    return started


def _refuse_second_retry(store: Store, old: Execution) -> None:
    """Raise Conflict when an execution was retried, by which one, and how that went."""
    retry = store.executions.get(_next_id(old.id))
    if retry is not None:
        raise Conflict(
            f"The execution {old.id} was retried already, as {retry.id}, which is "
            f"{retry.status.value}."
        )


def _next_id(execution_id: ExecutionId) -> ExecutionId:
    """Return the id of the one execution that repeats another: x~2 for x, x~3 for x~2."""
    return ExecutionId(next_id(MessageId(execution_id)))


def _new_id(workflow_id: WorkflowId, due_at: datetime) -> ExecutionId:
    return ExecutionId(f"{workflow_id}-{due_at:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}")


def _workflow_for_retry(store: Store, old: Execution) -> Workflow:
    current = store.workflows.get(old.workflow_id)
    names = [step.name for step in old.workflow.steps]
    if current is not None and [step.name for step in current.steps] == names:
        return current
    return old.workflow
