"""Workflows fire: what is due becomes executions, and their first steps are sent."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.cron import next_due
from shared.domain.execution import Execution, ExecutionStatus, scheduled_id
from shared.domain.firing import (
    ON_TIME,
    BlindTime,
    Firing,
    find_overdue,
    last_covered,
    plan_firing,
    plan_leaving_out,
)
from shared.domain.ids import ExecutionId, WorkflowId
from shared.domain.workflow import Overlap, Workflow
from shared.services.advancing import bring_up_to_date
from shared.services.execution_ends import note_ends
from shared.services.isolation import isolate
from shared.services.module_reads import ModuleReads
from shared.services.routing import Router
from shared.services.step_sending import send_messages, start_ready_steps
from shared.store import Store, batch_timeout
from shared.store.due_workflows import DueMove

SLICE = 250

Unfinished = Mapping[WorkflowId, Sequence[ExecutionId]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Fired:
    """How many workflows were due, how many no other worker moved on first, and which failed.

    And what of them there is to do now.
    """

    found: int = 0
    moved: int = 0
    failed: tuple[WorkflowId, ...] = ()
    running: tuple[Execution, ...] = ()


def fire_due(
    store: Store,
    now: datetime,
    read_blind_times: Callable[[datetime], Sequence[BlindTime]] = lambda _: (),
    router: Router | None = None,
    limit: int = SLICE,
    besides: Collection[WorkflowId] = (),
) -> Fired:
    """Fire a slice of the workflows that are due, besides these."""
    with batch_timeout():
        numbers = store.due_workflows.due_numbers(now, limit, besides)
    return fire_numbered(store, numbers, now, read_blind_times, router)


def fire_numbered(
    store: Store,
    numbers: Sequence[WorkflowId],
    now: datetime,
    read_blind_times: Callable[[datetime], Sequence[BlindTime]] = lambda _: (),
    router: Router | None = None,
) -> Fired:
    """Fire those of these workflows that are still due; one that fails stops no other."""
    with batch_timeout():
        due = store.due_workflows.read_due(numbers, now)
    moved, running = 0, list[Execution]()

    def fire_some(workflows: Sequence[Workflow]) -> None:
        nonlocal moved
        some_moved, stored = fire(store, workflows, now, read_blind_times, router)
        moved += some_moved
        running.extend(e for e in stored if e.status is ExecutionStatus.RUNNING)

    failed = isolate(fire_some, due.workflows, lambda workflow: workflow.workflow_id)
    return Fired(
        found=len(due.workflows) + len(due.unreadable),
        moved=moved,
        failed=(*due.unreadable, *(workflow.workflow_id for workflow in failed)),
        running=tuple(running),
    )


def fire(
    store: Store,
    workflows: Sequence[Workflow],
    now: datetime,
    read_blind_times: Callable[[datetime], Sequence[BlindTime]] = lambda _: (),
    router: Router | None = None,
) -> tuple[int, Collection[Execution]]:
    """Fire these workflows, which are due.

    Return how many no other worker moved on first, and their executions.

    0. Bring forward what is in their way: it may have ended.
    1. Insert the executions: their ids decide, so that each due time has exactly one.
    2. Move the due times, guarded by what was read.
    3. Send the first steps' messages, and note what has ended at once.
    A worker that is killed before 2 leaves the workflow due; one that is killed before 3 leaves an
    execution whose messages the next look at it sends, or whose end it notes.
    """
    modules = ModuleReads(store)
    unfinished = _find_unfinished(store, workflows, now, router)
    with batch_timeout():
        firings = _plan_all(store, workflows, unfinished, now, read_blind_times)
        planned = [execution for firing in firings for execution in firing.executions]
        started = start_ready_steps(store, planned, now, router, modules)
    with batch_timeout():
        stored = _insert(store, started)
        moved = store.due_workflows.move([_make_move(firing, stored) for firing in firings])
    with batch_timeout():
        send_messages(store, stored.values(), now, modules=modules)
        note_ends(store, stored.values(), now)
    _tell(stored)
    return moved, stored.values()


def _find_unfinished(
    store: Store, workflows: Sequence[Workflow], now: datetime, router: Router | None
) -> Unfinished:
    """Return what waits or runs of these workflows, brought forward where it is in the way."""
    numbers = {workflow.workflow_id for workflow in workflows}
    with batch_timeout():
        # After the workflows were read: an execution of an earlier due time stands by then.
        unfinished = store.executions.unfinished_of(numbers)
    in_the_way = {e for w in workflows for e in _in_the_way(w, unfinished)}
    if not in_the_way:
        return unfinished
    bring_up_to_date(store, in_the_way, now, router)
    with batch_timeout():
        return store.executions.unfinished_of(numbers)


def _in_the_way(workflow: Workflow, unfinished: Unfinished) -> set[ExecutionId]:
    """Return the executions that a firing would be skipped for, or wait for."""
    number, due_at = workflow.workflow_id, workflow.next_due_at
    if workflow.overlap is Overlap.ALLOW or due_at is None or number not in unfinished:
        return set()
    # What another worker has just inserted for this due time stops nothing.
    return set(unfinished[number]) - {scheduled_id(number, due_at)}


def _plan_all(
    store: Store,
    workflows: Sequence[Workflow],
    unfinished: Unfinished,
    now: datetime,
    read_blind_times: Callable[[datetime], Sequence[BlindTime]],
) -> list[Firing]:
    oldest = min(w.next_due_at for w in workflows if w.next_due_at)
    blind_times = read_blind_times(oldest) if now - oldest > ON_TIME else ()
    return [
        _plan(workflow, now, unfinished.get(workflow.workflow_id, []), blind_times)
        for workflow in workflows
    ]


def _plan(
    workflow: Workflow,
    now: datetime,
    unfinished: Sequence[ExecutionId],
    blind_times: Sequence[BlindTime],
) -> Firing:
    if not workflow.is_scheduled:
        return plan_leaving_out(workflow, now)
    times = find_overdue(workflow, workflow.next_due_at or now, now)
    lines, zone, shift = workflow.crons, workflow.timezone, workflow.shift
    next_due_at = next_due(lines, zone, shift, times[-1] if times else now)
    if not times:
        return Firing(workflow=workflow, executions=(), next_due_at=next_due_at)
    return plan_firing(
        workflow, times, next_due_at, now, unfinished=unfinished, blind_times=blind_times
    )


def _insert(store: Store, executions: Sequence[Execution]) -> dict[ExecutionId, Execution]:
    """Insert the executions; return them as they are stored, for another worker may be first."""
    inserted = store.executions.insert(executions)
    if inserted == len(executions):
        return {execution.id: execution for execution in executions}
    return store.executions.read([execution.id for execution in executions])


def _make_move(firing: Firing, stored: dict[ExecutionId, Execution]) -> DueMove:
    """Return the move of a due time; past all that the stored executions cover, and no further."""
    next_due_at, workflow = firing.next_due_at, firing.workflow
    for execution in firing.executions:
        mine, theirs = last_covered(execution), last_covered(stored.get(execution.id, execution))
        if mine != theirs:
            next_due_at = next_due(workflow.crons, workflow.timezone, workflow.shift, theirs)
    return DueMove(workflow=workflow, next_due_at=next_due_at)


def _tell(stored: dict[ExecutionId, Execution]) -> None:
    for execution in stored.values():
        log.info(
            "a workflow fired",
            extra={
                "execution_id": execution.id,
                "status": execution.status.value,
                "reason": execution.reason and execution.reason.value,
            },
        )
