"""What an execution does next: from the results of its messages, and the time."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.execution import (
    Execution,
    ExecutionStatus,
    StepRun,
    StepStatus,
    StepTry,
    message_id,
)
from shared.domain.ids import MessageId, ModuleHash
from shared.domain.message import EndReason
from shared.domain.result import Result, ResultStatus
from shared.domain.routing import Choice
from shared.domain.workflow import Step

# What another try may mend: the module did not get the work, or was never heard of again.
WORTH_A_RETRY = frozenset({EndReason.NO_ACK, EndReason.NOT_STARTED, EndReason.NO_RESULT})
RETRY_BASE_SECONDS = 2.0
RETRY_LONGEST_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 3600.0
# A module that is online begins within this, or the message is lost on its way.
START_SECONDS = 30.0

_STEP_STATUS = {
    ResultStatus.SUCCESS: StepStatus.SUCCEEDED,
    ResultStatus.CANCELLED: StepStatus.CANCELLED,
    ResultStatus.TIMED_OUT: StepStatus.TIMED_OUT,
    ResultStatus.EXPIRED: StepStatus.TIMED_OUT,
}
_LATE = (EndReason.NO_RESULT, EndReason.NOT_STARTED, EndReason.LIFE_OVER)


@dataclass(frozen=True, kw_only=True)
class NoChoice:
    """No module can take the step now, and why."""

    reason: EndReason
    error: str


def advance(execution: Execution, results: Mapping[MessageId, Result], now: datetime) -> Execution:
    """Return the execution after these results; the same object when they change nothing."""
    if execution.status is not ExecutionStatus.RUNNING:
        return execution
    steps = [
        _take_result(execution, position, run, results, now)
        for position, run in enumerate(execution.steps)
    ]
    return _finish(execution, _skip_downstream(execution, steps, now), now)


def open_messages(execution: Execution) -> list[MessageId]:
    """Return the messages whose results the execution waits for."""
    return [run.tries[-1].message_id for run in execution.steps if run.status is StepStatus.SENT]


def ready_steps(execution: Execution, now: datetime) -> list[int]:
    """Return the positions of the steps that may be sent now."""
    if execution.status is not ExecutionStatus.RUNNING or execution.cancel_requested_by:
        return []
    status = {run.name: run.status for run in execution.steps}
    return [
        position
        for position, (step, run) in enumerate(
            zip(execution.workflow.steps, execution.steps, strict=True)
        )
        if run.status is StepStatus.WAITING
        and (run.next_try_at is None or run.next_try_at <= now)
        and all(status[name] is StepStatus.SUCCEEDED for name in step.after)
    ]


def named_modules(step: Step) -> tuple[ModuleHash, ...]:
    """Return the modules that the workflow names for this step, best first."""
    return (step.module_hash, *step.fallback) if step.module_hash else step.fallback


def left_out(run: StepRun) -> frozenset[ModuleHash]:
    """Return the modules that a step's next try must not go to.

    It falls back to another one at once; the time of a new try is set when there is none.
    """
    if run.next_try_at is not None:
        return frozenset()
    return frozenset(a_try.module_hash for a_try in run.tries)


def start_step(execution: Execution, position: int, choice: Choice, now: datetime) -> Execution:
    """Return the execution with one more try of this step."""
    run = execution.steps[position]
    a_try = StepTry(
        message_id=message_id(execution.id, position, len(run.tries) + 1),
        module_hash=choice.module_hash,
        at=now,
        chosen_because=choice.because,
    )
    started = replace(
        run,
        status=StepStatus.SENT,
        tries=(*run.tries, a_try),
        next_try_at=None,
        reason=None,
        error=None,
        started_at=run.started_at or now,
    )
    return _with_step(execution, position, started)


def hold_step(execution: Execution, position: int, none: NoChoice, now: datetime) -> Execution:
    """Return the execution after no module could be chosen: its step waits for one, or ends.

    A kind of which none is online is waited for; a named module that is gone is not.
    """
    run = replace(execution.steps[position], started_at=execution.steps[position].started_at or now)
    if run.tries and run.next_try_at is None:
        # There is no module to fall back to after all: what failed may be tried again.
        run = _try_again(execution, position, run, None, now)
    elif none.reason is EndReason.NO_MODULE and now < _start_by(execution, run, now):
        next_try_at = now + timedelta(seconds=RETRY_BASE_SECONDS)
        run = replace(run, next_try_at=next_try_at, reason=none.reason, error=none.error)
    else:
        run = _end_step(run, StepStatus.FAILED, none.reason, none.error, now)
    steps = list(execution.steps)
    steps[position] = run
    return _finish(execution, _skip_downstream(execution, steps, now), now)


def cancel(execution: Execution, reason: EndReason, now: datetime) -> Execution:
    """Return the execution with whatever was not at its end cancelled."""
    steps = tuple(
        run if run.status.is_final else _end_step(run, StepStatus.CANCELLED, reason, None, now)
        for run in execution.steps
    )
    return replace(
        execution, status=ExecutionStatus.CANCELLED, reason=reason, steps=steps, ended_at=now
    )


def life_seconds(execution: Execution) -> float:
    """Return how long a step's message may wait for its module: no stale forecast is run later."""
    workflow = execution.workflow
    return workflow.start_timeout_seconds or START_SECONDS + workflow.timeout_seconds


def _take_result(
    execution: Execution,
    position: int,
    run: StepRun,
    results: Mapping[MessageId, Result],
    now: datetime,
) -> StepRun:
    result = results.get(run.tries[-1].message_id) if run.status is StepStatus.SENT else None
    if result is None:
        return run
    ended = replace(run.tries[-1], ended_at=result.at, reason=result.reason, error=result.error)
    run = replace(run, tries=(*run.tries[:-1], ended))
    status = _STEP_STATUS.get(result.status, StepStatus.FAILED)
    if status in (StepStatus.SUCCEEDED, StepStatus.CANCELLED):
        return _end_step(run, status, result.reason, result.error, result.at)
    run = replace(run, reason=result.reason, error=result.error)
    step = execution.workflow.steps[position]
    tried = {a_try.module_hash for a_try in run.tries}
    if any(module not in tried for module in step.fallback):
        return replace(run, status=StepStatus.WAITING, next_try_at=None)
    return _try_again(execution, position, run, result.retry_after_seconds, now)


def _try_again(
    execution: Execution,
    position: int,
    run: StepRun,
    retry_after_seconds: float | None,
    now: datetime,
) -> StepRun:
    """Return the step with its next try set, or ended when it has no more."""
    last = run.tries[-1]
    fallen_back = {a_try.module_hash for a_try in run.tries} & set(
        execution.workflow.steps[position].fallback
    )
    retries = len(run.tries) - 1 - len(fallen_back)
    may_retry = last.reason in WORTH_A_RETRY or retry_after_seconds is not None
    if not may_retry or retries >= execution.workflow.retries:
        return _end_step(run, _status_of(last), last.reason, last.error, last.ended_at or now)
    if retry_after_seconds is not None:
        seconds = min(max(retry_after_seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
    else:
        seconds = retry_seconds(last.message_id, retries)
    next_try_at = now + timedelta(seconds=seconds)
    return replace(run, status=StepStatus.WAITING, next_try_at=next_try_at)


def retry_seconds(failed: MessageId, retries: int) -> float:
    """Return how long to wait after this message: exponential, full jitter.

    The jitter is made of the message's id, so that two workers agree.
    """
    longest = min(RETRY_BASE_SECONDS * 2.0**retries, RETRY_LONGEST_SECONDS)
    share = int.from_bytes(hashlib.sha256(failed.encode()).digest()[:4], "big") / 2**32
    return longest * share


def _status_of(last: StepTry) -> StepStatus:
    return StepStatus.TIMED_OUT if last.reason in _LATE else StepStatus.FAILED


def _start_by(execution: Execution, run: StepRun, now: datetime) -> datetime:
    return (run.started_at or now) + timedelta(seconds=life_seconds(execution))


def _end_step(
    run: StepRun, status: StepStatus, reason: EndReason | None, error: str | None, at: datetime
) -> StepRun:
    return replace(run, status=status, reason=reason, error=error, next_try_at=None, ended_at=at)


def _skip_downstream(execution: Execution, steps: list[StepRun], now: datetime) -> list[StepRun]:
    """Skip the steps that come after one that did not succeed, and those after these."""
    steps = list(steps)
    dead = {run.name for run in steps if run.status.is_final} - {
        run.name for run in steps if run.status is StepStatus.SUCCEEDED
    }
    found = True
    while found:
        found = False
        for position, step in enumerate(execution.workflow.steps):
            run = steps[position]
            if run.status is StepStatus.WAITING and dead.intersection(step.after):
                reason = EndReason.UPSTREAM_FAILED
                steps[position] = _end_step(run, StepStatus.SKIPPED, reason, None, now)
                dead.add(run.name)
                found = True
    return steps


def _finish(execution: Execution, steps: list[StepRun], now: datetime) -> Execution:
    """Return the execution with these steps, ended when all of them are."""
    if tuple(steps) == execution.steps:
        return execution
    execution = replace(execution, steps=tuple(steps))
    if not all(run.status.is_final for run in steps):
        return execution
    # When its last result came: no worker may have looked at it for a while.
    ended_at = max((run.ended_at for run in steps if run.ended_at), default=now)
    ends = (
        (StepStatus.CANCELLED, ExecutionStatus.CANCELLED),
        (StepStatus.FAILED, ExecutionStatus.FAILED),
        (StepStatus.TIMED_OUT, ExecutionStatus.TIMED_OUT),
    )
    for step_status, status in ends:
        guilty = [run for run in steps if run.status is step_status]
        if guilty:
            reason = guilty[0].reason
            return replace(execution, status=status, reason=reason, ended_at=ended_at)
    return replace(execution, status=ExecutionStatus.SUCCEEDED, ended_at=ended_at)


def _with_step(execution: Execution, position: int, run: StepRun) -> Execution:
    steps = list(execution.steps)
    steps[position] = run
    return replace(execution, steps=tuple(steps))
