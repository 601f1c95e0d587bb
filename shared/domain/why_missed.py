"""Why an execution never started: missed, or skipped."""

from datetime import datetime, timedelta

from shared.domain.cron import next_due
from shared.domain.execution import Execution, ExecutionStatus, MissReason
from shared.domain.facts import Facts, Span
from shared.domain.firing import last_covered, longest_lateness
from shared.domain.phrases import WallClock, name_actor, tell_duration
from shared.domain.workflow import Misfire


def tell_missed(execution: Execution, facts: Facts, clock: WallClock) -> str:
    """Return the sentence about a due time at which nothing was started."""
    word = f"{execution.status.value}{_tell_others(execution, clock)}"
    due = clock.tell(execution.due_at)
    match execution.reason:
        case MissReason.NO_WORKER:
            gap = _tell_gap(find_gap(execution, facts), due, clock)
            return f"{word}: no worker was running {gap}; {_tell_policy(execution, facts, clock)}"
        case MissReason.NO_DATABASE:
            gap = _tell_gap(find_gap(execution, facts), due, clock)
            return f"{word}: the database was away {gap}; {_tell_policy(execution, facts, clock)}"
        case MissReason.CLOCK_DISTRUSTED:
            doubt = _tell_doubt(execution, facts, clock)
            return f"{word}: {doubt}; {_tell_policy(execution, facts, clock)}"
        case MissReason.OVERLAP:
            return f"{word}: {_tell_blocker(execution, facts, clock)}"
        case MissReason.PAUSED:
            return f"{word}: {_tell_pause(execution, clock)}"
        case MissReason.POLICY:
            found = tell_duration(execution.created_at - execution.due_at)
            policy = _tell_policy(execution, facts, clock)
            return f"{word}: it was found {found} after it was due at {due}; {policy}"
        case MissReason.BEHIND:
            late = tell_duration(execution.created_at - execution.due_at)
            policy = _tell_policy(execution, facts, clock)
            return f"{word}: the workers could not keep up, and came to it {late} late; {policy}"
        case None:
            return f"{word}: nothing was started at {due}, and no reason was recorded"
    return f"{word}: nothing was started at {due} ({execution.reason.value})"


def find_gap(execution: Execution, facts: Facts) -> Span | None:
    """Return the time in which nothing was fired: as the worker wrote it, or by its signs."""
    since, until = execution.detail.get("from"), execution.detail.get("until")
    if isinstance(since, datetime) and isinstance(until, datetime):
        return Span(since=since, until=until, reason=execution.reason or MissReason.NO_WORKER)
    return facts.worker_gap(execution.due_at)


def _tell_others(execution: Execution, clock: WallClock) -> str:
    """Return how many more due times this one stands for."""
    count, last = execution.detail.get("count"), execution.detail.get("last_due_at")
    if not isinstance(count, int) or count <= 1 or not isinstance(last, datetime):
        return ""
    return f", with {count - 1} more up to {clock.tell(last)}"


def _tell_gap(gap: Span | None, due: str, clock: WallClock) -> str:
    if gap is None or gap.since is None:
        return f"at {due}"
    if gap.until is None:
        return f"from {clock.tell(gap.since)} on"
    return f"between {clock.tell(gap.since)} and {clock.tell(gap.until)}"


def _tell_policy(execution: Execution, facts: Facts, clock: WallClock) -> str:
    """Return what the workflow's policy made of it."""
    policy = execution.workflow.misfire
    if policy is Misfire.SKIP:
        return f"policy {policy.value} runs nothing afterwards"
    successor = facts.successor
    if successor is not None and successor.due_at <= execution.created_at:
        return f"policy {policy.value} {_tell_successor(successor, clock)}"
    return f"policy {policy.value} runs only the latest, and {_tell_age(execution)}"


def _tell_age(execution: Execution) -> str:
    """Return how late a due time was found, and how late it might have been."""
    workflow, due_at = execution.workflow, last_covered(execution)
    try:
        following = next_due(workflow.crons, workflow.timezone, workflow.shift, due_at)
    except ValueError:
        return "only while it is young enough"
    late, allowed = execution.created_at - due_at, longest_lateness(due_at, following)
    if late <= allowed:  # a later one was the latest
        return "only while it is young enough"
    was = "the last of them was" if due_at != execution.due_at else "it was"
    return f"{was} {tell_duration(late)} late, {tell_duration(allowed)} are allowed"


def _tell_successor(successor: Execution, clock: WallClock) -> str:
    """Return what became of the due time that was chosen instead."""
    due = clock.tell(successor.due_at)
    match successor.status:
        case ExecutionStatus.SKIPPED:
            return f"chose {due} instead, and that was skipped: the one before was still running"
        case ExecutionStatus.MISSED:
            return f"chose {due} instead, and that was missed, too"
        case ExecutionStatus.WAITING:
            return f"chose {due} instead, which waits for the one before it"
        case ExecutionStatus.FAILED:
            return f"ran {due} instead, which failed"
        case ExecutionStatus.TIMED_OUT:
            return f"ran {due} instead, which timed out"
        case ExecutionStatus.CANCELLED:
            return f"ran {due} instead, which was cancelled"
    return f"ran {due} instead"


def _tell_doubt(execution: Execution, facts: Facts, clock: WallClock) -> str:
    event = facts.clock_doubt(execution.due_at)
    if event is None:
        return f"the clock of the worker was not trusted at {clock.tell(execution.due_at)}"
    seconds = event.detail.get("seconds")
    off = ""
    if isinstance(seconds, int | float):
        off = f", {tell_duration(timedelta(seconds=abs(seconds)))} off"
    why = f" ({event.reason}{off})" if event.reason else ""
    since = clock.tell(event.at)
    return f"the clock of the worker {event.subject.id} was not trusted from {since} on{why}"


def _tell_blocker(execution: Execution, facts: Facts, clock: WallClock) -> str:
    blocker = facts.blocker
    before = f"the execution of {clock.tell(blocker.due_at)}" if blocker else "the one before it"
    return f"{before} was still running (overlap: {execution.workflow.overlap.value})"


def _tell_pause(execution: Execution, clock: WallClock) -> str:
    pause = execution.workflow.pause
    if pause is None:
        return "the workflow was paused at that time"
    note = f" ({pause.note})" if pause.note else ""
    by = (
        "after failures in a row" if pause.reason == "failures" else f"by {name_actor(pause.actor)}"
    )
    return f"the workflow had been paused {by} since {clock.tell(pause.at)}{note}"
