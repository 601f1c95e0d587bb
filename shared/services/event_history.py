"""The history: what happened to modules, nodes, workers and work, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from shared.domain.event import Event, Subject, SubjectKind, module_subject, workflow_subject
from shared.domain.ids import ModuleHash
from shared.errors import Conflict, NotFound
from shared.services.module_lookup import as_prefix, find_hash
from shared.services.workflow_lookup import find_workflow
from shared.store import Store, batch_timeout

READ_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One event beside the name of its module or workflow, which may be deleted by now."""

    event: Event
    name: str | None


def read_history(
    store: Store,
    *,
    since: datetime | None = None,
    module: str | None = None,
    workflow: str | None = None,
    reason: str | None = None,
) -> list[HistoryEntry]:
    """Return what happened, oldest first; of one module, or of one workflow and its executions.

    A module is whatever a caller calls it by. Raises NotFound when neither a module nor an event
    knows it, Conflict when it is ambiguous.
    """
    with batch_timeout(READ_SECONDS):
        if workflow is not None:
            number = find_workflow(store, workflow).workflow_id
            events = [
                event
                for event in store.events.of_workflow(number, since)
                if reason in (None, event.reason)
            ]
        else:
            module_hash = None if module is None else _find_hash(store, module)
            subject = None if module_hash is None else module_subject(module_hash)
            events = store.events.find(since=since, subject=subject, reason=reason)
        names = _read_names(store, events)
    return [HistoryEntry(event=event, name=names.get(event.subject)) for event in events]


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


def _find_hash(store: Store, reference: str) -> ModuleHash:
    """Return the hash of the module that is meant; a deleted one still has its history."""
    try:
        return find_hash(store, reference)
    except NotFound:
        prefix = as_prefix(reference)
        hashes = store.events.modules_starting_with(prefix) if prefix else set()
        if not hashes:
            raise
        if len(hashes) > 1:
            candidates = "\n".join(f"  {module_hash}" for module_hash in sorted(hashes))
            raise Conflict(f"More than one hash starts with {prefix}:\n{candidates}") from None
        return hashes.pop()
