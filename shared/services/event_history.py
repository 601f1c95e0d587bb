"""The history: what happened to modules, nodes, workers and work, and why."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from shared.domain.event import Event, Subject, SubjectKind, module_subject, workflow_subject
from shared.domain.ids import ModuleHash
from shared.errors import Conflict, InvalidData, NotFound
from shared.services.module_directory import ModuleDirectory
from shared.services.module_lookup import as_prefix, find_hash
from shared.services.workflow_lookup import find_workflow
from shared.store import Store, batch_timeout
from shared.store.chunks import chunks
from shared.store.events import in_order

READ_SECONDS = 30.0
NAMED_AT_ONCE = 500
_OF_WORKFLOWS = (SubjectKind.WORKFLOW, SubjectKind.EXECUTION)


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """Which events a caller wants; a module or a workflow is whatever the caller calls it by.

    `name` matches any part of the name of a module or workflow, in any case.
    """

    module: str | None = None
    workflow: str | None = None
    name: str | None = None
    what: str | None = None
    reason: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One event beside the name of its module or workflow, which may be deleted by now."""

    event: Event
    name: str | None


def read_history(
    store: Store,
    wanted: EventFilter,
    now: datetime,
    *,
    limit: int | None = None,
    after: str | None = None,
    directory: ModuleDirectory | None = None,
) -> list[HistoryEntry]:
    """Return what happened, newest first; `after` is the id of the last one of the page before.

    Raises NotFound when neither a module nor an event knows the module, Conflict when it is
    ambiguous, InvalidData when the event `after` does not exist (any more).
    """
    with batch_timeout(READ_SECONDS):
        last = _read_last(store, after)
        events = _find(store, wanted, now, last.at if last else None, directory)
        if last is not None:
            events = (e for e in events if (e.at, e.id) < (last.at, last.id))
        return list(islice(_with_names(store, events, wanted.name), limit))


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


def _read_last(store: Store, after: str | None) -> Event | None:
    if after is None:
        return None
    last = store.events.get(after)
    if last is None:
        raise InvalidData("after names no event, or one that was purged: begin again without it.")
    return last


def _find(
    store: Store,
    wanted: EventFilter,
    now: datetime,
    until: datetime | None,
    directory: ModuleDirectory | None,
) -> Iterator[Event]:
    subjects: list[Any] | None = None
    kinds: tuple[SubjectKind, ...] = tuple(SubjectKind)
    if wanted.workflow is not None:
        number = find_workflow(store, wanted.workflow).workflow_id
        subjects, kinds = store.events.subjects_of_workflow(number), _OF_WORKFLOWS
    elif wanted.module is not None:
        subjects, kinds = [_find_hash(store, wanted.module, directory)], (SubjectKind.MODULE,)
    events = store.events.newest(
        now,
        subjects=subjects,
        since=wanted.since,
        until=until,
        what=wanted.what,
        reason=wanted.reason,
    )
    return (event for event in events if event.subject.kind in kinds)


def _with_names(store: Store, events: Iterator[Event], part: str | None) -> Iterator[HistoryEntry]:
    """Yield events with the names of their subjects; of some names only, if a part is given."""
    names: dict[Subject, str] = {}
    wanted = part.casefold() if part is not None else None
    for some in chunks(events, NAMED_AT_ONCE):
        names |= _read_names(store, some)
        for event in some:
            name = names.get(event.subject)
            if wanted is None or (name is not None and wanted in name.casefold()):
                yield HistoryEntry(event=event, name=name)


def _read_names(store: Store, events: Iterable[Event]) -> dict[Subject, str]:
    """Return the names of modules and workflows as they are now, else as their events tell them."""
    names: dict[Subject, str] = {}
    hashes: set[ModuleHash] = set()
    numbers: set[str] = set()
    for event in events:
        # A deleted one's name stands in the events of its begin and its end.
        told = event.detail.get("name") or event.detail.get("workflow")
        if isinstance(told, str):
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


def _find_hash(store: Store, reference: str, directory: ModuleDirectory | None) -> ModuleHash:
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
