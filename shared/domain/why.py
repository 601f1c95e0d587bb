"""Why: one causal sentence, with its evidence, for whatever did not succeed on time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.evidence import Evidence, evidence_of_execution, evidence_of_message
from shared.domain.execution import Execution
from shared.domain.facts import Facts
from shared.domain.message import Message
from shared.domain.phrases import WallClock
from shared.domain.why_execution import tell_execution
from shared.domain.why_message import tell_message
from shared.domain.workflow import DEFAULT_TIMEZONE, Workflow


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One sentence and the recorded facts behind it; its times are those of the zone."""

    sentence: str
    evidence: tuple[Evidence, ...] = ()
    timezone: str = DEFAULT_TIMEZONE

    def to_item(self) -> dict[str, Any]:
        """Return the public form."""
        return {
            "sentence": self.sentence,
            "timezone": self.timezone,
            "evidence": [evidence.to_item() for evidence in self.evidence],
        }


def explain(
    subject: Execution | Message, facts: Facts, timezone: str = DEFAULT_TIMEZONE
) -> Explanation:
    """Explain what became of an execution, in its workflow's zone, or of a message."""
    if isinstance(subject, Execution):
        zone = subject.workflow.timezone
        clock = WallClock.of(zone, subject.due_at)
        return Explanation(
            sentence=tell_execution(subject, facts, clock),
            evidence=evidence_of_execution(subject, facts),
            timezone=zone,
        )
    clock = WallClock.of(timezone, subject.created_at)
    return Explanation(
        sentence=tell_message(subject, facts, clock),
        evidence=evidence_of_message(subject, facts),
        timezone=timezone,
    )


def explain_unrecorded(workflow: Workflow, due_at: datetime, facts: Facts) -> Explanation:
    """Explain why there is nothing yet about a time at which a workflow was, or will be, due."""
    clock = WallClock.of(workflow.timezone, facts.now)
    return Explanation(
        sentence=_tell_unrecorded(workflow, due_at, facts, clock), timezone=workflow.timezone
    )


def _tell_unrecorded(workflow: Workflow, due_at: datetime, facts: Facts, clock: WallClock) -> str:
    due = clock.tell(due_at)
    if due_at > facts.now:
        return f"not due yet: {workflow.name} is due at {due}, and it is {clock.tell(facts.now)}"
    if due_at < workflow.created_at:
        made = clock.tell(workflow.created_at)
        return f"never due: {workflow.name} was created at {made}, after {due}"
    if workflow.pause is not None and workflow.pause.at <= due_at:
        note = f" ({workflow.pause.note})" if workflow.pause.note else ""
        since = clock.tell(workflow.pause.at)
        return f"not run: {workflow.name} has been paused since {since}{note}"
    if not workflow.enabled:
        return f"not run: {workflow.name} is disabled"
    if facts.last_worker_sign is None:
        return "not recorded yet: no worker has ever run"
    if facts.last_worker_sign <= due_at:
        return f"not recorded yet: no worker has run since {clock.tell(facts.last_worker_sign)}"
    if workflow.next_due_at is not None and workflow.next_due_at <= due_at:
        sign = clock.tell(facts.last_worker_sign)
        return f"not recorded yet: the worker, which ran at {sign}, comes to it next"
    return f"not recorded: nothing is stored about {due}; it was not due then, or it was purged"
