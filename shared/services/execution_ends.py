"""Ends of executions are recorded; failures in a row are counted, and too many pause a workflow."""

from collections.abc import Iterable
from datetime import datetime

from shared.domain.actor import PLATFORM
from shared.domain.event import FAILURES, execution_ended, workflow_paused
from shared.domain.execution import Execution, ExecutionStatus
from shared.domain.workflow import Pause
from shared.services.punctuality import forget_tallies
from shared.store import Store

_FAILED = (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT)


def note_ends(store: Store, ended: Iterable[Execution], now: datetime) -> None:
    """Record and count executions that are about to be written as ended.

    Before that write: a worker that is killed in between finds them again, and counts them once.
    """
    ended = [execution for execution in ended if execution.status.is_final]
    events = [execution_ended(execution, execution.ended_at or now) for execution in ended]
    store.events.record([event for event in events if event is not None])
    succeeded = {e.workflow_id for e in ended if e.status is ExecutionStatus.SUCCEEDED}
    store.due_workflows.end_failures(succeeded)
    forget_tallies(store, ended, now)
    for execution in ended:
        if execution.status in _FAILED:
            _count(store, execution, now)


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
