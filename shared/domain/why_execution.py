"""What became of an execution, in one sentence."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain.causes import BRIEFLY, Piece, piece_of_try, tell_briefly, tell_cause
from shared.domain.execution import Execution, ExecutionStatus, StepRun, StepStatus, StepTry
from shared.domain.facts import Facts
from shared.domain.ids import ModuleHash
from shared.domain.message import EndReason
from shared.domain.phrases import WallClock, join, name_actor, quote, tell_duration, times
from shared.domain.why_late import tell_delay
from shared.domain.why_missed import tell_missed
from shared.domain.workflow import Step

_USUAL_REASON = {
    ExecutionStatus.FAILED: EndReason.MODULE_FAILURE,
    ExecutionStatus.TIMED_OUT: EndReason.NO_RESULT,
    ExecutionStatus.CANCELLED: EndReason.OPERATOR,
}
# Such ends are no try's: there was no module to try it at.
_WITHOUT_TRY = (EndReason.NO_MODULE, EndReason.UNKNOWN_MODULE, EndReason.MODULE_DISABLED)
_CONSEQUENCES = (EndReason.UPSTREAM_FAILED, EndReason.EXECUTION_OVER)
_WORDS = {ExecutionStatus.TIMED_OUT: "timed out"}


def tell_execution(execution: Execution, facts: Facts, clock: WallClock) -> str:
    """Return the sentence about an execution."""
    match execution.status:
        case ExecutionStatus.SUCCEEDED:
            return _tell_success(execution, facts, clock)
        case ExecutionStatus.WAITING:
            return _tell_waiting(execution, facts, clock)
        case ExecutionStatus.RUNNING:
            return _tell_running(execution, facts, clock)
        case ExecutionStatus.MISSED | ExecutionStatus.SKIPPED:
            return tell_missed(execution, facts, clock)
        case ExecutionStatus.CANCELLED if execution.cancel_requested_by is not None:
            return _tell_cancelled(execution, facts, clock)
    word = _WORDS.get(execution.status, execution.status.value)
    return f"{word}: {_tell_guilty_step(execution, facts, clock)}"


def _tell_success(execution: Execution, facts: Facts, clock: WallClock) -> str:
    ended_at = execution.ended_at or execution.due_at
    if execution.expected_by is not None and execution.is_late(ended_at):
        late = tell_duration(ended_at - execution.expected_by)
        return f"late by {late}: {tell_delay(execution, ended_at, facts, clock)}"
    on_time = "on time" if execution.expected_by else f"at {clock.tell(ended_at)}"
    took = tell_duration(ended_at - execution.due_at)
    return f"succeeded {on_time}: {took} after it was due at {clock.tell(execution.due_at)}"


def _tell_waiting(execution: Execution, facts: Facts, clock: WallClock) -> str:
    blocker = facts.blocker
    before = f"the execution of {clock.tell(blocker.due_at)}" if blocker else "the one before it"
    return f"waiting: {before} is still running (overlap: {execution.workflow.overlap.value})"


def _tell_running(execution: Execution, facts: Facts, clock: WallClock) -> str:
    word = "running"
    if execution.expected_by is not None and execution.is_late(facts.now):
        word = f"running, late by {tell_duration(facts.now - execution.expected_by)} so far"
    if execution.cancel_requested_by is not None:
        canceller = name_actor(execution.cancel_requested_by)
        return f"{word}: {canceller} cancelled it, and it waits until its modules say so"
    steps = execution.workflow.steps
    doing = [
        _tell_open_step(run, steps[n] if n < len(steps) else None, facts, clock)
        for n, run in enumerate(execution.steps)
    ]
    told = [words for words in doing if words]
    return f"{word}: {join(told) if told else 'its next step is about to be sent'}"


def _tell_open_step(run: StepRun, step: Step | None, facts: Facts, clock: WallClock) -> str:
    if run.status is StepStatus.SENT and run.tries:
        last = run.tries[-1]
        number = f" (try {len(run.tries)})" if len(run.tries) > 1 else ""
        name = facts.name(last.module_hash)
        spans = facts.offline(last.module_hash, facts.now, facts.now + timedelta(seconds=1))
        where = f", which is offline ({spans[-1].reason})" if spans and spans[-1].reason else ""
        return f"step {run.name} has been at {name} since {clock.tell(last.at)}{number}{where}"
    if run.status is StepStatus.WAITING and run.next_try_at is not None:
        because = _tell_wait(run, step, facts, clock)
        return f"step {run.name} is tried next at {clock.tell(run.next_try_at)}{because}"
    return ""


def _tell_wait(run: StepRun, step: Step | None, facts: Facts, clock: WallClock) -> str:
    """Return why a step waits for its next try."""
    reason = run.reason or (run.tries[-1].reason if run.tries else None)
    if reason is EndReason.NO_MODULE:
        kind = f"the kind {quote(step.mission_kind)}" if step and step.mission_kind else "its kind"
        before = _tell_tries_before(run.tries, facts, clock)
        return f", because no module of {kind} is online{before}"
    return f", after {run_name(run, facts)} {BRIEFLY[reason]}" if reason else ""


def run_name(run: StepRun, facts: Facts) -> str:
    """Return the name of the module that a step was at last."""
    return facts.name(run.tries[-1].module_hash) if run.tries else "its module"


def _tell_cancelled(execution: Execution, facts: Facts, clock: WallClock) -> str:
    canceller = name_actor(execution.cancel_requested_by or execution.actor)
    at = f" at {clock.tell(execution.ended_at)}" if execution.ended_at else ""
    caught = [run for run in execution.steps if run.status is StepStatus.CANCELLED and run.tries]
    where = f", while step {caught[0].name} was at {run_name(caught[0], facts)}" if caught else ""
    return f"cancelled: {canceller} cancelled it{at}{where}"


def _tell_guilty_step(execution: Execution, facts: Facts, clock: WallClock) -> str:
    """Return the cause of the first step that did not succeed by itself."""
    reason = execution.reason if isinstance(execution.reason, EndReason) else None
    usual = reason or _USUAL_REASON[execution.status]
    found = _find_guilty(execution)
    if found is None:
        at = execution.ended_at or facts.now
        return tell_cause(_piece_without_try(None, None, usual, at, at), facts, clock)
    position, run = found
    step = execution.workflow.steps[position] if position < len(execution.workflow.steps) else None
    piece = _last_piece(execution, run, step, facts)
    known = replace(piece, reason=run.reason or piece.reason or usual)
    prefix = f"step {run.name}: " if len(execution.steps) > 1 else ""
    return f"{prefix}{tell_cause(known, facts, clock)}{_tell_retries(run, known, facts, clock)}"


def _find_guilty(execution: Execution) -> tuple[int, StepRun] | None:
    bad = (StepStatus.FAILED, StepStatus.TIMED_OUT, StepStatus.CANCELLED)
    found = [
        (run.ended_at or execution.created_at, position, run)
        for position, run in enumerate(execution.steps)
        if run.status in bad and run.reason not in _CONSEQUENCES
    ]
    if not found:
        return None
    _, position, run = min(found, key=lambda candidate: candidate[:2])
    return position, run


def _last_piece(execution: Execution, run: StepRun, step: Step | None, facts: Facts) -> Piece:
    if run.tries and not _ended_without_try(run):
        return piece_of_try(run.tries[-1], facts)
    begin = run.started_at or execution.due_at
    return _piece_without_try(step, run.error, run.reason, begin, run.ended_at or begin)


def _piece_without_try(
    step: Step | None,
    error: str | None,
    reason: EndReason | None,
    begin: datetime,
    end: datetime,
) -> Piece:
    module_hash = step.module_hash if step and step.module_hash else ModuleHash("")
    kind = (step.mission_kind or "") if step else ""
    return Piece(
        module_hash=module_hash, begin=begin, end=end, reason=reason, error=error, kind=kind
    )


def _ended_without_try(run: StepRun) -> bool:
    """Return whether a step ended for want of a module, after whatever its tries ended by."""
    return run.reason in _WITHOUT_TRY and not (run.tries and run.tries[-1].reason is run.reason)


def _tell_retries(run: StepRun, last: Piece, facts: Facts, clock: WallClock) -> str:
    earlier = run.tries if _ended_without_try(run) else run.tries[:-1]
    if earlier and all(
        (t.reason, t.module_hash) == (last.reason, last.module_hash) for t in earlier
    ):
        retries = "1 retry" if len(earlier) == 1 else f"{len(earlier)} retries"
        return f"; {retries} went the same way"
    return _tell_tries_before(earlier, facts, clock)


def _tell_tries_before(tries: Sequence[StepTry], facts: Facts, clock: WallClock) -> str:
    told = [tell_briefly(piece_of_try(a_try, facts), facts, clock) for a_try in tries]
    if not told:
        return ""
    return f"; it was tried {times(len(tries))} before: {join(list(dict.fromkeys(told)))}"
