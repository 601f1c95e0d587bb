"""Due times that no worker has fired yet, when a workflow is edited or paused: none is lost."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain.execution import MissReason
from shared.domain.firing import (
    MISSED_AT_ONCE,
    BlindTime,
    find_overdue,
    last_covered,
    leave_out,
    plan_leaving_out,
)
from shared.domain.workflow import Workflow
from shared.services.execution_ends import note_ends
from shared.services.isolation import isolate
from shared.services.scheduling import fire
from shared.services.worker_presence import SHORTEST_GAP, last_worker_sign
from shared.store import Store

AN_INSTANT = timedelta(microseconds=1)
# Executions of what was due earlier would be purged.
LONGEST_PAUSE = timedelta(days=90)


def is_overdue(workflow: Workflow, now: datetime) -> bool:
    """Return whether a due time of this workflow has come that is not fired."""
    return workflow.next_due_at is not None and workflow.next_due_at <= now


def fire_overdue(store: Store, workflow: Workflow, now: datetime) -> bool:
    """Fire a workflow as a worker would; its due time moves. False for one that cannot be fired."""

    def read_blind_times(_: datetime) -> Sequence[BlindTime]:
        last = last_worker_sign(store)
        if last is None or now - last < SHORTEST_GAP:
            return ()
        return [BlindTime(begin=last, end=now, cause=MissReason.NO_WORKER)]

    def fire_it(workflows: Sequence[Workflow]) -> None:
        fire(store, workflows, now, read_blind_times)

    return not isolate(fire_it, [workflow], lambda one: one.workflow_id)


def record_left_out(store: Store, paused: Workflow, now: datetime) -> Workflow:
    """Record what a paused workflow did not run any more; return it without a due time."""
    left: Workflow | None = paused
    while left and left.pause == paused.pause and is_overdue(left, now):
        if not fire_overdue(store, left, now):
            break
        left = store.workflows.get(paused.workflow_id)
    return replace(paused, next_due_at=None)


def leave_out_paused(store: Store, workflow: Workflow, now: datetime) -> None:
    """Record what was due in a pause that is about to end, a thousand due times at once.

    After a kill, what was recorded stands, and the next one who resumes it goes on from there.
    """
    if workflow.pause is None or not workflow.enabled:
        return
    begin = max(workflow.pause.at, now - LONGEST_PAUSE)
    while times := find_overdue(workflow, begin + AN_INSTANT, now)[:MISSED_AT_ONCE]:
        execution = leave_out(workflow, times, now)
        if store.executions.insert([execution]):
            note_ends(store, [execution], now)
        begin = last_covered(store.executions.get(execution.id) or execution)


def leave_out_overdue(store: Store, workflow: Workflow, now: datetime) -> None:
    """Record that what was due does not run any more, unless a worker has just fired it."""
    while is_overdue(workflow, now):
        firing = plan_leaving_out(workflow, now)
        if store.executions.insert(firing.executions):
            note_ends(store, firing.executions, now)
        workflow = replace(workflow, next_due_at=firing.next_due_at)
