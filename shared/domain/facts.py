"""What is known about a piece of work: the stored facts that an explanation rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.event import CLOCK_DISTRUSTED, DELETED, ENDINGS, PRESENCE, Event
from shared.domain.execution import Execution, MissReason
from shared.domain.ids import MessageId, ModuleHash
from shared.domain.message import Message
from shared.domain.module import Module
from shared.domain.presence import State
from shared.domain.result import Result

HASH_SHOWN = 12
UNKNOWN = "reason unknown"


@dataclass(frozen=True, kw_only=True)
class Span:
    """A time in which something was away; None where its begin or end is not known."""

    since: datetime | None
    until: datetime | None
    reason: str
    node: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that explanations are made of, as it was read at one moment.

    `events` are those of the modules concerned and of their nodes, `gaps` the times without any
    worker, `clocks` the events of clocks that were not trusted. `blocker` is the execution before,
    `successor` the next one that was not missed. `last_worker_sign` is when any worker last ran.
    """

    now: datetime
    modules: Mapping[ModuleHash, Module] = field(default_factory=dict)
    events: Sequence[Event] = ()
    gaps: Sequence[Span] = ()
    clocks: Sequence[Event] = ()
    messages: Mapping[MessageId, Message] = field(default_factory=dict)
    results: Mapping[MessageId, Result] = field(default_factory=dict)
    blocker: Execution | None = None
    successor: Execution | None = None
    last_worker_sign: datetime | None = None

    def name(self, module_hash: ModuleHash) -> str:
        """Return a module's name; a deleted one's stands in its events."""
        module = self.modules.get(module_hash)
        if module is not None and module.name:
            return module.name
        told = [event.detail.get("name") for event in self._of(module_hash)]
        names = [name for name in told if isinstance(name, str) and name]
        return names[-1] if names else module_hash[:HASH_SHOWN] or "an unknown module"

    def last_event(self, module_hash: ModuleHash, what: str) -> Event | None:
        """Return the last event of this kind of a module."""
        found = [event for event in self._of(module_hash) if event.what == what]
        return found[-1] if found else None

    def offline(self, module_hash: ModuleHash, begin: datetime, end: datetime) -> list[Span]:
        """Return when a module was offline between two moments; spans are not cut to them."""
        spans = self._offline_spans(module_hash)
        return [
            span
            for span in spans
            if (span.since is None or span.since < end) and (not span.until or span.until > begin)
        ]

    def worker_gap(self, at: datetime) -> Span | None:
        """Return the gap without any worker that a moment lies in."""
        for gap in self.gaps:
            if (gap.since is None or gap.since <= at) and (gap.until is None or at <= gap.until):
                return gap
        return None

    def clock_doubt(self, at: datetime) -> Event | None:
        """Return why a clock was not trusted at a moment."""
        before = [event for event in self.clocks if event.at <= at]
        return before[-1] if before and before[-1].what == CLOCK_DISTRUSTED else None

    def _of(self, module_hash: ModuleHash) -> list[Event]:
        return [event for event in self.events if event.subject.id == module_hash]

    def _offline_spans(self, module_hash: ModuleHash) -> list[Span]:
        changes = [event for event in self._of(module_hash) if event.what in PRESENCE]
        if not changes:
            return self._offline_by_module(module_hash)
        spans = []
        away: Span | None = None
        if changes[0].what == State.ONLINE:
            away = Span(since=None, until=None, reason="")
        for change in changes:
            if change.what in ENDINGS:
                node = str(change.detail.get("node") or "")
                reason = DELETED if change.what == DELETED else change.reason or UNKNOWN
                away = Span(since=change.at, until=None, reason=reason, node=node)
            elif away is not None:
                if away.since is None or away.since < change.at:
                    ended = Span(
                        since=away.since, until=change.at, reason=away.reason, node=away.node
                    )
                    spans.append(ended)
                away = None
        return [*spans, away] if away is not None else spans

    def _offline_by_module(self, module_hash: ModuleHash) -> list[Span]:
        """Return what the module itself says, when nothing happened to it in the time looked at."""
        module = self.modules.get(module_hash)
        if module is None:
            return []
        if module.session is not None:
            connected_at = module.session.connected_at
            return [Span(since=None, until=connected_at, reason="")]
        reason = module.offline_reason.value
        return [Span(since=module.state_since, until=None, reason=reason)]


def gaps_of(events: Sequence[Event]) -> list[Span]:
    """Return the times without a worker that the events of all workers tell of."""
    return [
        Span(
            since=event.detail["since"],
            until=event.at,
            reason=event.reason or MissReason.NO_WORKER.value,
        )
        for event in events
        if isinstance(event.detail.get("since"), datetime)
    ]
