"""Punctuality: on time, late or missing, and how often and how fast work succeeds."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

from shared.domain.execution import Execution, ExecutionStatus, MissReason
from shared.domain.ids import WorkflowId
from shared.domain.message import EndReason
from shared.domain.phrases import tell_duration
from shared.domain.result import ResultStatus

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)


class Punctuality(StrEnum):
    """Whether an execution's result was there when it was expected."""

    ON_TIME = "on_time"
    LATE = "late"  # it succeeded, after the time that it was expected by
    MISSING = "missing"  # no result was there by then, or none will come


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutionGlance:
    """As much of an execution as its punctuality needs; a missed one may stand for several."""

    workflow_id: WorkflowId
    status: ExecutionStatus
    reason: MissReason | EndReason | None
    due_at: datetime
    expected_by: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    count: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultGlance:
    """As much of a result as a module's figures need."""

    status: ResultStatus
    at: datetime
    sent_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How often work succeeded in some time, and how long it took."""

    finished: int
    succeeded: int
    p50_seconds: float | None
    p95_seconds: float | None

    @property
    def success_rate(self) -> float | None:
        """Return the part that succeeded; None when nothing finished."""
        return self.succeeded / self.finished if self.finished else None

    def tell(self) -> str:
        """Return the figures as people read them."""
        if not self.finished:
            return "nothing finished"
        told = f"{self.succeeded} of {self.finished} succeeded"
        if self.p50_seconds is not None and self.p95_seconds is not None:
            p50, p95 = (timedelta(seconds=s) for s in (self.p50_seconds, self.p95_seconds))
            told += f", p50 {tell_duration(p50)}, p95 {tell_duration(p95)}"
        return told

    def to_item(self) -> dict[str, Any]:
        """Return the public form."""
        rate = self.success_rate
        return {
            "finished": self.finished,
            "succeeded": self.succeeded,
            "success_rate": None if rate is None else round(rate, 4),
            "p50_seconds": self.p50_seconds,
            "p95_seconds": self.p95_seconds,
        }


@dataclass(frozen=True, kw_only=True)
class WorkflowFigures(Figures):
    """The same of a workflow, and how punctual it was."""

    on_time: int
    late: int
    missing: int

    def to_item(self) -> dict[str, Any]:
        """Return the public form."""
        punctual = {"on_time": self.on_time, "late": self.late, "missing": self.missing}
        return super().to_item() | punctual


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """What the figures of a workflow are made of; those of several times add up."""

    finished: int = 0
    succeeded: int = 0
    on_time: int = 0
    late: int = 0
    missing: int = 0
    seconds: Sequence[float] = ()

    def figures(self) -> WorkflowFigures:
        """Return the figures that people read."""
        return WorkflowFigures(
            finished=self.finished,
            succeeded=self.succeeded,
            on_time=self.on_time,
            late=self.late,
            missing=self.missing,
            p50_seconds=percentile(self.seconds, 50),
            p95_seconds=percentile(self.seconds, 95),
        )


F = TypeVar("F", bound=Figures)


@dataclass(frozen=True, kw_only=True)
class Record(Generic[F]):
    """The figures of the last 24 hours and of the last 7 days."""

    day: F
    week: F

    def to_item(self) -> dict[str, Any]:
        """Return the public form."""
        return {"24h": self.day.to_item(), "7d": self.week.to_item()}


def judge(execution: Execution | ExecutionGlance, now: datetime) -> Punctuality | None:
    """Judge an execution; None when no time was set, or when it is too early to tell.

    What will not succeed any more is missing at once, and so is what runs beyond the time, until it
    succeeds after all. What people or policies left out on purpose is not judged: cancelled by an
    operator, skipped for the one before it, due in a pause.
    """
    expected_by = execution.expected_by
    if expected_by is None or is_left_out(execution):
        return None
    if execution.status is ExecutionStatus.SUCCEEDED:
        ended_at = execution.ended_at or execution.due_at
        return Punctuality.LATE if ended_at > expected_by else Punctuality.ON_TIME
    if execution.status.is_final or now > expected_by:
        return Punctuality.MISSING
    return None


def is_left_out(execution: Execution | ExecutionGlance) -> bool:
    """Return whether it counts neither as a success nor as a failure."""
    left_out = (ExecutionStatus.CANCELLED, ExecutionStatus.SKIPPED)
    return execution.status in left_out or execution.reason is MissReason.PAUSED


def record_of_executions(
    executions: Sequence[ExecutionGlance], now: datetime
) -> Record[WorkflowFigures]:
    """Return the record of one workflow from what was due in the last 7 days."""
    day = [execution for execution in executions if execution.due_at > now - DAY]
    return Record(day=tally(day, now).figures(), week=tally(executions, now).figures())


def record_of_results(results: Sequence[ResultGlance], now: datetime) -> Record[Figures]:
    """Return the record of one module from the results of the last 7 days."""
    day = [result for result in results if result.at > now - DAY]
    return Record(day=_result_figures(day), week=_result_figures(results))


def hour_of(moment: datetime) -> datetime:
    """Return the full hour that a moment lies in."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def tally(executions: Iterable[ExecutionGlance], now: datetime) -> Tally:
    """Count executions of one workflow."""
    counted = [execution for execution in executions if not is_left_out(execution)]
    succeeded = [e for e in counted if e.status is ExecutionStatus.SUCCEEDED]
    judged: Counter[Punctuality | None] = Counter()
    for execution in counted:
        judged[judge(execution, now)] += execution.count
    seconds = (_seconds(e.started_at, e.ended_at) for e in succeeded)
    return Tally(
        finished=sum(e.count for e in counted if e.status.is_final),
        succeeded=len(succeeded),
        on_time=judged[Punctuality.ON_TIME],
        late=judged[Punctuality.LATE],
        missing=judged[Punctuality.MISSING],
        seconds=[one for one in seconds if one is not None],
    )


def add_up(tallies: Iterable[Tally]) -> Tally:
    """Return the tally of several times together."""
    tallies = list(tallies)
    return Tally(
        finished=sum(one.finished for one in tallies),
        succeeded=sum(one.succeeded for one in tallies),
        on_time=sum(one.on_time for one in tallies),
        late=sum(one.late for one in tallies),
        missing=sum(one.missing for one in tallies),
        seconds=[seconds for one in tallies for seconds in one.seconds],
    )


def _result_figures(results: Iterable[ResultGlance]) -> Figures:
    counted = [result for result in results if result.status is not ResultStatus.CANCELLED]
    succeeded = [result for result in counted if result.status is ResultStatus.SUCCESS]
    seconds = [_seconds(result.sent_at, result.at) for result in succeeded]
    return Figures(
        finished=len(counted),
        succeeded=len(succeeded),
        p50_seconds=percentile(seconds, 50),
        p95_seconds=percentile(seconds, 95),
    )


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    # Two clocks may have written them: no duration is less than nothing.
    return max(0.0, (end - begin).total_seconds()) if begin and end else None


def percentile(values: Iterable[float | None], percent: int) -> float | None:
    """Return the value that so many percent do not exceed; None when there are no values."""
    ordered = sorted(value for value in values if value is not None)
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
