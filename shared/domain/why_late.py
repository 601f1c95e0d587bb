"""Why an execution succeeded later than expected: what took the longest on its critical path."""

from datetime import datetime, timedelta

from shared.domain.causes import piece_of_try, tell_briefly, tell_presence
from shared.domain.execution import Execution, MissReason, StepRun, Trigger
from shared.domain.facts import Facts
from shared.domain.phrases import WallClock, join, name_actor, tell_duration, times


def tell_delay(execution: Execution, ended_at: datetime, facts: Facts, clock: WallClock) -> str:
    """Return the clause that says what the time went by with."""
    path = critical_path(execution)
    begun = [run.started_at for run in path if run.started_at is not None]
    started_at = execution.started_at or min(begun, default=ended_at)
    waited = started_at - execution.due_at
    slowest = max(path, key=_step_time, default=None)
    if slowest is None or waited > _step_time(slowest):
        return _tell_late_start(execution, started_at, facts, clock)
    told = _tell_step(slowest, facts, clock)
    if slowest is path[-1]:
        return f"step {slowest.name} {told}"
    return f"step {path[-1].name} waited for step {slowest.name}, which {told}"


def critical_path(execution: Execution) -> list[StepRun]:
    """Return the steps that the end had to wait for, each upon the one before it."""
    after = {step.name: step.after for step in execution.workflow.steps}
    runs = {run.name: run for run in execution.steps if run.ended_at is not None}
    path: list[StepRun] = []
    names = list(runs)
    while names:
        last = max((runs[name] for name in names), key=_ended)
        path.insert(0, last)
        told = {run.name for run in path}
        names = [name for name in after.get(last.name, ()) if name in runs and name not in told]
    return path


def _ended(run: StepRun) -> datetime:
    assert run.ended_at is not None
    return run.ended_at


def _step_time(run: StepRun) -> timedelta:
    begin = run.started_at or (run.tries[0].at if run.tries else None)
    return run.ended_at - begin if begin and run.ended_at else timedelta(0)


def _tell_late_start(
    execution: Execution, started_at: datetime, facts: Facts, clock: WallClock
) -> str:
    if execution.trigger is Trigger.RETRY:
        return f"{name_actor(execution.actor)} had it run again at {clock.tell(started_at)}"
    begun = f"it began at {clock.tell(started_at)}"
    gap = facts.worker_gap(execution.due_at)
    if gap is not None and gap.since is not None:
        until = f" and {clock.tell(gap.until)}" if gap.until else " and now"
        is_database = gap.reason == MissReason.NO_DATABASE
        what = "the database was away" if is_database else "no worker was running"
        return f"{begun}, since {what} between {clock.tell(gap.since)}{until}"
    blocker = facts.blocker
    if blocker is not None and blocker.ended_at and blocker.ended_at > execution.due_at:
        return f"{begun}, after the execution of {clock.tell(blocker.due_at)} had ended"
    return f"{begun}, {tell_duration(started_at - execution.due_at)} after it was due"


def _tell_step(run: StepRun, facts: Facts, clock: WallClock) -> str:
    pieces = [piece_of_try(a_try, facts) for a_try in run.tries]
    if not pieces:
        return f"took {tell_duration(_step_time(run))}"
    if len(pieces) > 1:
        told = list(dict.fromkeys(tell_briefly(piece, facts, clock) for piece in pieces[:-1]))
        return f"was retried {times(len(pieces) - 1)} because {join(told)}"
    piece = pieces[0]
    name = facts.name(piece.module_hash)
    waited = piece.began_work_at - piece.begin
    if waited * 2 > _step_time(run):
        spans = facts.offline(piece.module_hash, piece.begin, piece.began_work_at)
        presence = tell_presence(spans, piece.begin, piece.began_work_at, clock)
        which = presence if spans else "had earlier work"
        return f"waited {tell_duration(waited)} for {name}, which {which}"
    return f"took {tell_duration(_step_time(run))} at {name}"
