"""Documents of another registry become ours, beside what is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.event import went_offline
from shared.domain.module import OfflineReason
from shared.store import Store
from shared.store.counters import MODULE_ID, REGISTRY_CHANGES
from shared.store.dump import Document


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """How many documents did not exist yet, how many did, and how many got a new number."""

    added: int = 0
    existing: int = 0
    renumbered: int = 0


def adopt(store: Store, collection: str, documents: Sequence[Document], now: datetime) -> Adopted:
    """Add those of a collection's documents that do not exist yet; counters are only raised."""
    if collection == "modules":
        return _adopt_modules(store, documents, now)
    if collection == "counters":
        for document in documents:
            if document["_id"] in (MODULE_ID, REGISTRY_CHANGES):
                store.counters.raise_to(document["_id"], document["value"])
        return Adopted()
    added = store.dump.insert_missing(collection, documents)
    return Adopted(added=added, existing=len(documents) - added)


def _adopt_modules(store: Store, documents: Sequence[Document], now: datetime) -> Adopted:
    """Add modules, offline: the sessions that they had are the other platform's.

    A number that another module has here is replaced by a new one.
    """
    known = store.modules.names(document["_id"] for document in documents)
    new = [document for document in documents if document["_id"] not in known]
    if not new:
        return Adopted(existing=len(documents))
    numbers = [document["module_id"] for document in new]
    # First, so that nobody who registers meanwhile gets one of these numbers.
    store.counters.raise_to(MODULE_ID, max(numbers))
    taken = store.modules.taken_numbers(numbers)
    for document in new:
        if document["module_id"] in taken:
            document["module_id"] = store.counters.next_module_id()
    store.events.record(
        [
            went_offline(d["_id"], d["epoch"], now, OfflineReason.PLATFORM_RESTART)
            for d in new
            if d["session"]
        ]
    )
    added = store.dump.insert_missing("modules", [_disconnect(document, now) for document in new])
    renumbered = sum(document["module_id"] not in numbers for document in new)
    return Adopted(added=added, existing=len(documents) - added, renumbered=renumbered)


def _disconnect(document: Document, now: datetime) -> Document:
    """Return the module without its session."""
    if document["session"] is None:
        return document
    offline = {"offline_reason": OfflineReason.PLATFORM_RESTART.value, "state_since": now}
    return document | {"session": None} | offline
