"""The evidence behind an explanation: recorded facts, oldest first."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.domain.event import Event, SubjectKind
from shared.domain.execution import Execution, StepRun
from shared.domain.facts import Facts
from shared.domain.ids import ModuleHash
from shared.domain.message import Message

EVENTS_BEFORE = timedelta(hours=1)
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
    end = execution.ended_at or facts.now
    found = [
        *_begin_of(execution),
        *(fact for run in execution.steps for fact in _of_step(run, facts)),
        *_surroundings(execution.due_at, max(end, execution.created_at), facts),
        *_end_of(execution),
    ]
    for other in (facts.blocker, facts.successor):
        if other is not None:
            found.append(
                Evidence(at=other.due_at, subject=f"execution {other.id}", what=other.status.value)
            )
    return _in_order(found)


def evidence_of_message(message: Message, facts: Facts) -> tuple[Evidence, ...]:
    """Return what is recorded about a message, its module and its time."""
    result = facts.results.get(message.id)
    end = message.ended_at or (result.at if result else facts.now)
    subject = f"message {message.id}"
    found = [
        Evidence(at=message.created_at, subject=subject, what="accepted", reason=message.sender),
        *_of_message(message, facts, subject),
        *_surroundings(message.created_at, end, facts),
    ]
    if result is not None:
        reason = result.error or (result.reason.value if result.reason else "")
        found.append(
            Evidence(at=result.at, subject=subject, what=result.status.value, reason=reason)
        )
    return _in_order(found)


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
        yield Evidence(at=progress.at, subject=subject, what=what, reason=progress.note)
    if message.cancel_requested_at is not None:
        by = message.cancel_requested_by or ""
        yield Evidence(
            at=message.cancel_requested_at, subject=subject, what="asked to cancel", reason=by
        )


def _surroundings(begin: datetime, end: datetime, facts: Facts) -> Iterator[Evidence]:
    """Yield what happened to modules, nodes, workers and clocks at that time."""
    for event in (*facts.events, *facts.clocks):
        if begin - EVENTS_BEFORE <= event.at <= end:
            yield _of_event(event, facts)
    for gap in facts.gaps:
        if gap.since is not None and gap.since <= end and (not gap.until or gap.until >= begin):
            yield Evidence(at=gap.since, subject="workers", what="none running", reason=gap.reason)
            if gap.until is not None:
                yield Evidence(at=gap.until, subject="workers", what="running again")


def _of_event(event: Event, facts: Facts) -> Evidence:
    subject = f"{event.subject.kind.value} {event.subject.id}"
    if event.subject.kind is SubjectKind.MODULE:
        subject = f"module {facts.name(ModuleHash(event.subject.id))}"
    return Evidence(at=event.at, subject=subject, what=event.what, reason=event.reason or "")


def _in_order(found: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return facts by time, each once; of very many, the last ones."""
    ordered = sorted(dict.fromkeys(found), key=lambda fact: fact.at)
    return tuple(ordered[-EVIDENCE_MAX:])
