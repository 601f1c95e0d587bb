"""A workflow whose time has come: which of its due times run, and what becomes of the others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from shared.domain.actor import PLATFORM, Actor
from shared.domain.cron import due_times
from shared.domain.execution import (
    Execution,
    ExecutionStatus,
    MissReason,
    StepRun,
    Trigger,
    scheduled_id,
)
from shared.domain.ids import ExecutionId
from shared.domain.workflow import Misfire, Overlap, Workflow

# How late the latest due time may be run after all.
LATEST_GRACE = timedelta(minutes=10)
# How late a firing may be without being a misfire: a restart of the worker takes no longer.
ON_TIME = timedelta(seconds=30)
# More missed due times than this are one document that covers all of them.
MISSED_EACH = 20
MISSED_AT_ONCE = 1000
WAITING_MAX = 10


@dataclass(frozen=True, kw_only=True)
class BlindTime:
    """A time in which no worker looked at the schedules."""

    begin: datetime
    end: datetime
    cause: MissReason


@dataclass(frozen=True, kw_only=True)
class Firing:
    """The executions of a workflow's due times, and when it is due next."""

    workflow: Workflow
    executions: tuple[Execution, ...]
    next_due_at: datetime | None


def plan_firing(
    workflow: Workflow,
    times: Sequence[datetime],
    next_due_at: datetime,
    now: datetime,
    *,
    unfinished: Iterable[ExecutionId] = (),
    blind_times: Sequence[BlindTime] = (),
) -> Firing:
    """Decide about due times that have come; `times` are all of them up to now, oldest first.

    Many missed ones are covered by one document first: the rest is another firing.
    """
    if len(times) > MISSED_EACH + 1:
        missed = times[: min(len(times) - 1, MISSED_AT_ONCE)]
        cover = _missed(workflow, missed[0], now, blind_times)
        detail = {**cover.detail, "count": len(missed), "last_due_at": missed[-1]}
        return Firing(
            workflow=workflow,
            executions=(replace(cover, detail=detail),),
            next_due_at=times[len(missed)],
        )
    *earlier, latest = times
    last = _fire_latest(workflow, latest, next_due_at, now, unfinished, blind_times)
    instead = {} if last.status is ExecutionStatus.MISSED else {"instead": last.id}
    missed_ones = [_missed(workflow, due_at, now, blind_times, instead) for due_at in earlier]
    return Firing(workflow=workflow, executions=(*missed_ones, last), next_due_at=next_due_at)


def find_overdue(workflow: Workflow, begin: datetime, until: datetime) -> list[datetime]:
    """Return the due times from begin until this moment, both included: the first of them."""
    crons, zone, shift = workflow.crons, workflow.timezone, workflow.shift
    times = due_times(crons, zone, shift, begin, until + timedelta(microseconds=1))
    return list(islice(times, MISSED_AT_ONCE + 1))


def plan_leaving_out(workflow: Workflow, now: datetime) -> Firing:
    """Leave out what was due before a workflow was paused or disabled; the rest is next."""
    begin = workflow.next_due_at or now
    until = workflow.pause.at if workflow.pause else now
    try:
        times = find_overdue(workflow, begin, until)
    except ValueError:  # its lines are unknown here; this due time is known
        times = [begin]
    missed, rest = times[:MISSED_AT_ONCE], times[MISSED_AT_ONCE:]
    executions = (leave_out(workflow, missed, now),) if missed else ()
    return Firing(workflow=workflow, executions=executions, next_due_at=next(iter(rest), None))


def leave_out(workflow: Workflow, times: Sequence[datetime], now: datetime) -> Execution:
    """Return the execution that stands for due times that came before a pause, and never ran."""
    execution = replace(_missed(workflow, times[0], now, ()), reason=MissReason.PAUSED)
    if len(times) == 1:
        return execution
    detail = {"count": len(times), "last_due_at": times[-1]}
    return replace(execution, detail=detail)


def last_covered(execution: Execution) -> datetime:
    """Return the last due time that this execution stands for."""
    covered = execution.detail.get("last_due_at")
    return covered if isinstance(covered, datetime) else execution.due_at


def new_execution(
    workflow: Workflow,
    execution_id: ExecutionId,
    due_at: datetime,
    now: datetime,
    *,
    trigger: Trigger = Trigger.SCHEDULE,
    actor: Actor = PLATFORM,
) -> Execution:
    """Return an execution of which no step has begun."""
    within = workflow.expected_within_seconds
    return Execution(
        id=execution_id,
        workflow=workflow,
        due_at=due_at,
        created_at=now,
        status=ExecutionStatus.RUNNING,
        steps=tuple(StepRun(name=step.name) for step in workflow.steps),
        trigger=trigger,
        actor=actor,
        started_at=now,
        expected_by=None if within is None else due_at + timedelta(seconds=within),
    )


def longest_lateness(due_at: datetime, next_due_at: datetime) -> timedelta:
    """Return how late the latest due time may still be run."""
    return min((next_due_at - due_at) / 2, LATEST_GRACE)


def _fire_latest(
    workflow: Workflow,
    due_at: datetime,
    next_due_at: datetime,
    now: datetime,
    unfinished: Iterable[ExecutionId],
    blind_times: Sequence[BlindTime],
) -> Execution:
    late = now - due_at
    if late > longest_lateness(due_at, next_due_at):
        return _missed(workflow, due_at, now, blind_times)
    if late > ON_TIME and workflow.misfire is Misfire.SKIP:
        return replace(_missed(workflow, due_at, now, blind_times), reason=MissReason.POLICY)
    execution = new_execution(workflow, scheduled_id(workflow.workflow_id, due_at), due_at, now)
    others = [other for other in unfinished if other != execution.id]
    if not others or workflow.overlap is Overlap.ALLOW:
        return execution
    if workflow.overlap is Overlap.QUEUE and len(others) < WAITING_MAX:
        return replace(execution, status=ExecutionStatus.WAITING, started_at=None)
    return _ended(execution, ExecutionStatus.SKIPPED, MissReason.OVERLAP, {"behind": others[0]})


def _missed(
    workflow: Workflow,
    due_at: datetime,
    now: datetime,
    blind_times: Sequence[BlindTime],
    detail: dict[str, Any] | None = None,
) -> Execution:
    """Return the execution of a due time that passed, with the reason as far as it is known."""
    execution = new_execution(workflow, scheduled_id(workflow.workflow_id, due_at), due_at, now)
    detail = dict(detail or {})
    blind = next((b for b in blind_times if b.begin <= due_at + ON_TIME and due_at <= b.end), None)
    if blind is None:
        return _ended(execution, ExecutionStatus.MISSED, MissReason.BEHIND, detail)
    detail |= {"from": blind.begin, "until": blind.end}
    return _ended(execution, ExecutionStatus.MISSED, blind.cause, detail)


def _ended(
    execution: Execution, status: ExecutionStatus, reason: MissReason, detail: dict[str, Any]
) -> Execution:
    return replace(
        execution,
        status=status,
        reason=reason,
        detail=detail,
        started_at=None,
        ended_at=execution.created_at,
    )
