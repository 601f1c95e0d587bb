"""The history: what happened to modules, nodes, workers and work, and why."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any

from shared.domain.event import Event, Subject, SubjectKind, module_subject, workflow_subject
from shared.domain.ids import ModuleHash
from shared.errors import Conflict, InvalidData, NotFound
from shared.services.module_directory import ModuleDirectory
from shared.services.module_lookup import as_prefix, find_hash
from shared.services.workflow_lookup import find_workflow
from shared.store import Store, batch_timeout
from shared.store.events import in_order

READ_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """Which events a caller wants; a module or a workflow is whatever the caller calls it by.

    `name` matches any part of the name of a module or workflow, in any case. `before` is a moment,
    `after` the id of the last event of the page before.
    """

    module: str | None = None
    workflow: str | None = None
    name: str | None = None
    what: str | None = None
    reason: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    after: str | None = None


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One event beside the name of its module or workflow, which may be deleted by now."""

    event: Event
    name: str | None


@dataclass(frozen=True, kw_only=True)
class History:
    """What happened, newest first; `unread_before` is set when time was over before all was read."""

    entries: list[HistoryEntry]
    unread_before: datetime | None = None


def read_history(
    store: Store,
    wanted: EventFilter,
    now: datetime,
    *,
    limit: int | None = None,
    directory: ModuleDirectory | None = None,
    seconds: float = inf,
) -> History:
    """Return what happened, for which no window is begun to be read after so many seconds.

    Raises NotFound when neither a module nor an event knows the module, Conflict when it is
    ambiguous, InvalidData when the event `after` does not exist (any more).
    """
    until = time.monotonic() + seconds
    directory = directory or ModuleDirectory()
    unread_before = None
    with batch_timeout(READ_SECONDS):
        matches = _Matcher(store, wanted, directory)
        found: list[Event] = []
        for events, begin in _windows(store, wanted, matches, now):
            found += filter(matches, events)
            if limit is not None and len(found) >= limit:
                found = found[:limit]
                break
            if time.monotonic() >= until:
                unread_before = begin
                break
        names = _read_names(store, found)
    entries = [HistoryEntry(event=event, name=names.get(event.subject)) for event in found]
    return History(entries=entries, unread_before=unread_before)


def oldest_first(entries: Iterable[HistoryEntry]) -> list[HistoryEntry]:
    """Return entries in the order in which things happened, as sessions' epochs tell it."""
    by_id = {entry.event.id: entry for entry in entries}
    return [by_id[event.id] for event in in_order(entry.event for entry in by_id.values())]


def to_event_item(entry: HistoryEntry) -> dict[str, Any]:
    """Return the public form of an event."""
    event = entry.event
    return {
        "event_id": event.id,
        "at": event.at,
        "subject": {"kind": event.subject.kind.value, "id": event.subject.id},
        "name": entry.name,
        "what": event.what,
        "reason": event.reason,
        "actor": event.actor,
        "detail": dict(event.detail),
    }


class _Matcher:
    """Tells which of the events that are read are wanted."""

    def __init__(self, store: Store, wanted: EventFilter, directory: ModuleDirectory) -> None:
        self.subjects: list[Any] | None = None
        self.last = _read_last(store, wanted.after)
        self._kinds = tuple(SubjectKind)
        if wanted.workflow is not None:
            number = find_workflow(store, wanted.workflow).workflow_id
            self.subjects = store.events.subjects_of_workflow(number)
            self._kinds = (SubjectKind.WORKFLOW, SubjectKind.EXECUTION)
        elif wanted.module is not None:
            self.subjects = [_find_hash(store, wanted.module, directory)]
            self._kinds = (SubjectKind.MODULE,)
        self._part = wanted.name.casefold() if wanted.name is not None else None
        self._named = set() if self._part is None else self._find_named(store, directory)

    def __call__(self, event: Event) -> bool:
        last = self.last
        if last is not None and (event.at, event.id) >= (last.at, last.id):
            return False
        return event.subject.kind in self._kinds and self._has_name(event)

    def _has_name(self, event: Event) -> bool:
        """Return whether the subject has the name; the events of a deleted one come after its end."""
        if self._part is None:
            return True
        if self._part in (_name_in(event) or "").casefold():
            self._named.add(event.subject)
        return event.subject in self._named

    def _find_named(self, store: Store, directory: ModuleDirectory) -> set[Subject]:
        names = {module_subject(e.module_hash): e.name for e in directory.all(store)}
        names |= {
            workflow_subject(number): name for number, name in store.workflows.names().items()
        }
        assert self._part is not None
        return {subject for subject, name in names.items() if self._part in name.casefold()}


def _windows(
    store: Store, wanted: EventFilter, matches: _Matcher, now: datetime
) -> Iterator[tuple[list[Event], datetime | None]]:
    ends = {"since": wanted.since, "before": wanted.before}
    if matches.last is not None:
        ends |= {"until": matches.last.at}
    span = {name: moment for name, moment in ends.items() if moment is not None}
    return store.events.newest(
        now, subjects=matches.subjects, span=span, what=wanted.what, reason=wanted.reason
    )


def _read_last(store: Store, after: str | None) -> Event | None:
    if after is None:
        return None
    last = store.events.get(after)
    if last is None:
        raise InvalidData("after names no event, or one that was purged: begin again without it.")
    return last


def _name_in(event: Event) -> str | None:
    """Return the name that an event tells: a deleted one's stands in those of its begin and end."""
    told = event.detail.get("name") or event.detail.get("workflow")
    return told if isinstance(told, str) else None


def _read_names(store: Store, events: Iterable[Event]) -> dict[Subject, str]:
    """Return the names of modules and workflows as they are now, else as their events tell them."""
    names: dict[Subject, str] = {}
    hashes: set[ModuleHash] = set()
    numbers: set[str] = set()
    for event in events:
        if told := _name_in(event):
            names[event.subject] = told
        if event.subject.kind is SubjectKind.MODULE:
            hashes.add(ModuleHash(event.subject.id))
        elif event.subject.kind is SubjectKind.WORKFLOW:
            numbers.add(event.subject.id)
    names |= {module_subject(key): name for key, name in store.modules.names(hashes).items()}
    if numbers:
        names |= {
            workflow_subject(number): name for number, name in store.workflows.names().items()
        }
    return names


def _find_hash(store: Store, reference: str, directory: ModuleDirectory) -> ModuleHash:
    """Return the hash of the module that is meant; a deleted one still has its history."""
    try:
        return find_hash(store, reference, directory)
    except NotFound:
        prefix = as_prefix(reference)
        hashes = store.events.modules_starting_with(prefix) if prefix else set()
        if not hashes:
            raise
        if len(hashes) > 1:
            candidates = "\n".join(f"  {module_hash}" for module_hash in sorted(hashes))
            raise Conflict(f"More than one hash starts with {prefix}:\n{candidates}") from None
        return hashes.pop()
