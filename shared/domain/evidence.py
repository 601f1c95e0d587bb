"""The evidence behind an explanation: recorded facts, oldest first."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared.domain.event import Event, SubjectKind
from shared.domain.execution import NEVER_STARTED, Execution, StepRun, Trigger
from shared.domain.facts import Facts, Span
from shared.domain.ids import ModuleHash
from shared.domain.message import Message
from shared.domain.surroundings import Surroundings, find_surroundings
from shared.domain.why_missed import find_gap

EVIDENCE_MAX = 40


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One recorded fact; `reason` is empty where none was recorded."""

    at: datetime
    subject: str
    what: str
    reason: str = ""

    def to_item(self) -> dict[str, Any]:
        """Return the public form."""
        return {"at": self.at, "subject": self.subject, "what": self.what, "reason": self.reason}


def evidence_of_execution(execution: Execution, facts: Facts) -> tuple[Evidence, ...]:
    """Return what is recorded about an execution, its tries, its modules and its time."""
    begin = execution.due_at if execution.trigger is Trigger.SCHEDULE else execution.created_at
    end = max(execution.ended_at or facts.now, execution.created_at)
    never_started = execution.status in NEVER_STARTED
    gaps = [*facts.gaps, find_gap(execution, facts)] if never_started else facts.gaps
    causes = [
        *_begin_of(execution),
        *(fact for run in execution.steps for fact in _of_step(run, facts)),
        *_of_gaps(gaps, begin, end),
        *_end_of(execution),
        *(_glance_at(other) for other in (facts.blocker, facts.successor) if other is not None),
    ]
    # Modules have nothing to do with what never started.
    known = replace(facts, events=()) if never_started else facts
    return _in_order(causes, find_surroundings(begin, end, known), facts)


def evidence_of_message(message: Message, facts: Facts) -> tuple[Evidence, ...]:
    """Return what is recorded about a message, its module and its time."""
    result = facts.results.get(message.id)
    end = message.ended_at or (result.at if result else facts.now)
    subject = f"message {message.id}"
    causes = [
        Evidence(at=message.created_at, subject=subject, what="accepted", reason=message.sender),
        *_of_message(message, facts, subject),
        *_of_gaps(facts.gaps, message.created_at, end),
    ]
    if result is not None:
        reason = result.error or (result.reason.value if result.reason else "")
        causes.append(
            Evidence(at=result.at, subject=subject, what=result.status.value, reason=reason)
        )
    return _in_order(causes, find_surroundings(message.created_at, end, facts), facts)


def _begin_of(execution: Execution) -> Iterator[Evidence]:
    subject = f"execution {execution.id}"
    yield Evidence(at=execution.due_at, subject=subject, what="due")
    if execution.started_at is not None:
        yield Evidence(at=execution.started_at, subject=subject, what="started")


def _end_of(execution: Execution) -> Iterator[Evidence]:
    if execution.status.is_final:
        subject = f"execution {execution.id}"
        at = execution.ended_at or execution.created_at
        reason = execution.reason.value if execution.reason else ""
        yield Evidence(at=at, subject=subject, what=execution.status.value, reason=reason)


def _of_step(run: StepRun, facts: Facts) -> Iterator[Evidence]:
    subject = f"step {run.name}"
    for number, a_try in enumerate(run.tries, start=1):
        to = f"sent to {facts.name(a_try.module_hash)} (try {number})"
        yield Evidence(at=a_try.at, subject=subject, what=to, reason=a_try.chosen_because)
        message = facts.messages.get(a_try.message_id)
        if message is not None:
            yield from _of_message(message, facts, subject)
        if a_try.ended_at is not None:
            reason = a_try.error or (a_try.reason.value if a_try.reason else "")
            what = "try ended" if a_try.reason else "succeeded"
            yield Evidence(at=a_try.ended_at, subject=subject, what=what, reason=reason)
    if run.ended_at is not None and not run.tries:
        reason = run.error or (run.reason.value if run.reason else "")
        yield Evidence(at=run.ended_at, subject=subject, what=run.status.value, reason=reason)


def _of_message(message: Message, facts: Facts, subject: str) -> Iterator[Evidence]:
    name = facts.name(message.module_hash)
    if message.sent_at is not None:
        what = f"pushed to {name}"
        reason = f"attempt {message.attempt}" if message.attempt > 1 else ""
        yield Evidence(at=message.sent_at, subject=subject, what=what, reason=reason)
    if message.acked_at is not None:
        yield Evidence(at=message.acked_at, subject=subject, what=f"acknowledged by {name}")
    if message.progress is not None:
        progress = message.progress
        percent = "" if progress.percent is None else f" {progress.percent:g} %"
        what = f"progress{percent}"
        # It may be noted while the acknowledgement, told in the same moment, is being written.
        at = max(progress.at, message.acked_at or progress.at)
        yield Evidence(at=at, subject=subject, what=what, reason=progress.note)
    if message.cancel_requested_at is not None:
        by = message.cancel_requested_by or ""
        yield Evidence(
            at=message.cancel_requested_at, subject=subject, what="asked to cancel", reason=by
        )


def _glance_at(other: Execution) -> Evidence:
    reason = other.reason.value if other.reason else ""
    subject, what = f"execution {other.id}", other.status.value
    return Evidence(at=other.due_at, subject=subject, what=what, reason=reason)


def _of_gaps(gaps: Iterable[Span | None], begin: datetime, end: datetime) -> Iterator[Evidence]:
    """Yield the times without any worker that reach into this time."""
    for gap in gaps:
        if gap is None or gap.since is None or gap.since > end:
            continue
        if gap.until is None or gap.until >= begin:
            yield Evidence(at=gap.since, subject="workers", what="none running", reason=gap.reason)
            if gap.until is not None:
                yield Evidence(at=gap.until, subject="workers", what="running again")


def _of_event(event: Event, facts: Facts) -> Evidence:
    subject = f"{event.subject.kind.value} {event.subject.id}"
    if event.subject.kind is SubjectKind.MODULE:
        subject = f"module {facts.name(ModuleHash(event.subject.id))}"
    return Evidence(at=event.at, subject=subject, what=event.what, reason=event.reason or "")


def _in_order(
    causes: Iterable[Evidence], around: Surroundings, facts: Facts
) -> tuple[Evidence, ...]:
    """Return facts by time, each once; of very many events, the last ones."""
    kept = dict.fromkeys([*causes, *(_of_event(event, facts) for event in around.in_force)])
    during = sorted((_of_event(event, facts) for event in around.during), key=_when)
    last = during[-max(1, EVIDENCE_MAX - len(kept)) :]
    return tuple(sorted(dict.fromkeys([*kept, *last]), key=_when))


def _when(fact: Evidence) -> datetime:
    return fact.at
