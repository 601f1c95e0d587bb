"""What happened around a piece of work: as much of it as may explain the work."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import dropwhile

from shared.domain.event import (
    CLOCK_DISTRUSTED,
    CLOCK_TRUSTED,
    DELETED,
    ENDINGS,
    PRESENCE,
    Event,
    SubjectKind,
)
from shared.domain.facts import Facts
from shared.domain.presence import State

SHORTLY_BEFORE = timedelta(minutes=1)
# Of each row, the last one that happened is in force.
STATES = (
    PRESENCE,
    ("registered", DELETED),
    ("enabled", "disabled"),
    ("enrolled", "lost", "retired"),
    (CLOCK_TRUSTED, CLOCK_DISTRUSTED),
)
# It explains nothing that these are in force.
USUAL = ("registered", "enabled", "enrolled", CLOCK_TRUSTED)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The events that were in force at the begin, or ended that later; and those in between."""

    in_force: list[Event]
    during: list[Event]


def find_surroundings(begin: datetime, end: datetime, facts: Facts) -> Surroundings:
    """Return what happened to modules, to the nodes that held them, and to clocks."""
    since = begin - SHORTLY_BEFORE
    modules = [event for event in facts.events if event.subject.kind is SubjectKind.MODULE]
    found = [_of_one(events, since, end) for events in _by_subject(modules)]
    nodes = {event.detail.get("node") for one in found for event in (*one.in_force, *one.during)}
    others = [event for event in facts.events if event.subject.id in nodes]
    found += [_of_one(events, since, end) for events in _by_subject([*others, *facts.clocks])]
    return Surroundings(
        in_force=[event for one in found for event in one.in_force],
        during=[event for one in found for event in one.during],
    )


def _of_one(events: Sequence[Event], since: datetime, end: datetime) -> Surroundings:
    """Return the same of one subject's events, which are in order."""
    before = [event for event in events if event.at < since]
    last = [event for row in STATES if (event := _last_of(before, row))]
    in_force = {event.id: event for event in last if event.what not in USUAL}
    return Surroundings(
        in_force=[
            *in_force.values(),
            *_back_again(events, end),
        ],
        during=[event for event in events if since <= event.at <= end],
    )


def _last_of(events: Sequence[Event], row: Sequence[str]) -> Event | None:
    return next((event for event in reversed(events) if event.what in row), None)


def _back_again(events: Sequence[Event], end: datetime) -> list[Event]:
    """Return the event that ended an absence which began before the end."""
    states = [event for event in events if event.what in STATES[0]]
    last = _last_of([event for event in states if event.at <= end], STATES[0])
    if last is None or last.what not in ENDINGS:
        return []
    later = dropwhile(lambda event: event.what != State.ONLINE or event.at <= end, states)
    return list(later)[:1]


def _by_subject(events: Iterable[Event]) -> list[list[Event]]:
    found: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        found[event.subject.id].append(event)
    return list(found.values())
