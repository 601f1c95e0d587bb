"""The history: what happened to modules and nodes, and why."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.event import Event, SubjectKind, module_subject
from shared.domain.ids import ModuleHash
from shared.errors import Conflict, NotFound
from shared.services.module_lookup import as_prefix, find_hash
from shared.store import Store, batch_timeout

READ_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One event beside the name of its module, which may be deleted by now, if it is about one."""

    event: Event
    module_name: str | None


def read_history(
    store: Store,
    *,
    since: datetime | None = None,
    module: str | None = None,
    reason: str | None = None,
) -> list[HistoryEntry]:
    """Return what happened, oldest first; module is whatever a caller calls it by.

    Raises NotFound when neither a module nor an event knows it, Conflict when it is ambiguous.
    """
    with batch_timeout(READ_SECONDS):
        module_hash = None if module is None else _find_hash(store, module)
        subject = None if module_hash is None else module_subject(module_hash)
        events = store.events.find(since=since, subject=subject, reason=reason)
        # A deleted module's name stands in the events of its registration and its end.
        told = {
            event.subject.id: event.detail["name"] for event in events if "name" in event.detail
        }
        modules = {ModuleHash(e.subject.id) for e in events if e.subject.kind is SubjectKind.MODULE}
        names = told | store.modules.names(modules)
    return [HistoryEntry(event=event, module_name=names.get(event.subject.id)) for event in events]


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
