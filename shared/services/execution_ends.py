"""Ends of executions are recorded; failures in a row are counted, and too many pause a workflow."""

from collections.abc import Collection, Iterable
from datetime import datetime

from shared.domain.actor import PLATFORM
from shared.domain.event import FAILURES, execution_ended, workflow_paused
from shared.domain.execution import Execution, ExecutionStatus
from shared.domain.ids import ExecutionId
from shared.domain.workflow import Pause
from shared.services.isolation import isolate
from shared.services.punctuality import forget_tallies
from shared.store import Store, batch_timeout

NOTED_AT_ONCE = 200
_FAILED = (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT)


def note_successes(
    store: Store, ended: Iterable[Execution], now: datetime
) -> Collection[ExecutionId]:
    """Note the successes of which no event tells, before they are written; return which those are.

    They need no second write. Should this process be killed before the first, failures are counted
    anew a moment too early.
    """
    quiet = [execution for execution in ended if _is_quiet(execution, now)]
    store.due_workflows.end_failures({execution.workflow_id for execution in quiet})
    forget_tallies(store, quiet, now)
    return {execution.id for execution in quiet}


def _is_quiet(execution: Execution, now: datetime) -> bool:
    if execution.status is not ExecutionStatus.SUCCEEDED:
        return False
    return execution_ended(execution, execution.ended_at or now) is None


def note_ends(store: Store, ended: Iterable[Execution], now: datetime) -> None:
    """Record and count those executions that were written as ended.

    The write says that this is to be done: should this process be killed, another one does it, and
    counts each once.
    """
    ended = [execution for execution in ended if execution.status.is_final]
    if not ended:
        return
    events = [execution_ended(execution, execution.ended_at or now) for execution in ended]
    store.events.record([event for event in events if event is not None])
    succeeded = {e.workflow_id for e in ended if e.status is ExecutionStatus.SUCCEEDED}
    store.due_workflows.end_failures(succeeded)
    forget_tallies(store, ended, now)
    for execution in ended:
        if execution.status in _FAILED:
            _count(store, execution, now)
    store.executions.mark_noted([execution.id for execution in ended])


def note_left_ends(store: Store, now: datetime) -> bool:
    """Note ends that another process wrote, and did not note; True while work is left."""
    with batch_timeout():
        left = store.executions.unnoted_ends(NOTED_AT_ONCE)
        failed = isolate(lambda some: note_ends(store, some, now), left, lambda e: e.id)
    return len(left) >= NOTED_AT_ONCE and not failed


def _count(store: Store, execution: Execution, now: datetime) -> None:
    workflow = store.due_workflows.count_failure(execution.workflow_id, execution.id)
    if workflow is None or workflow.pause or not workflow.pause_after_failures:
        return
    failures, due_at = workflow.failures_in_a_row, workflow.next_due_at
    is_due = due_at is not None and due_at <= now  # it fires once more before it is paused
    if failures < workflow.pause_after_failures or is_due:
        return
    note = f"{failures} failures in a row, the last one {execution.id}"
    pause = Pause(at=now, actor=PLATFORM, reason=FAILURES, note=note)
    # First the event: it may be recorded twice, and must not be left out.
    store.events.record([workflow_paused(workflow.workflow_id, execution.id, now, note)])
    store.due_workflows.pause(workflow.workflow_id, workflow.pause_after_failures, pause)
