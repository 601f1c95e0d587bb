"""The history: one document per state change."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import IndexModel
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from shared.domain.event import Event
from shared.domain.module import ModuleHash, State

DUPLICATE_KEY = 11000
PURGE_SLICE = 1000


class Events:
    """The `events` collection: written once, purged by age."""

    # The two questions: what of this module, and what lately.
    INDEXES = (IndexModel([("module_hash", 1), ("at", 1)]), IndexModel("at"))

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["events"]

    @staticmethod
    def parse(document: Mapping[str, Any]) -> Event:
        """Return the event that a document is; raises KeyError, TypeError or ValueError."""
        return _to_event(document)

    def record(self, events: Sequence[Event]) -> None:
        """Record events; one that is recorded already stays as it is."""
        if not events:
            return
        try:
            self._collection.insert_many([_to_document(e) for e in events], ordered=False)
        except BulkWriteError as error:
            if any(e["code"] != DUPLICATE_KEY for e in error.details["writeErrors"]):
                raise

    def find(
        self,
        *,
        since: datetime | None = None,
        module_hash: ModuleHash | None = None,
        reason: str | None = None,
    ) -> list[Event]:
        """Return what happened, oldest first."""
        query: dict[str, Any] = {}
        if module_hash is not None:
            query["module_hash"] = module_hash
        if since is not None:
            query["at"] = {"$gte": since}
        if reason is not None:
            query["reason"] = reason
        found = [_to_event(document) for document in self._collection.find(query)]
        return sorted(found, key=_order)

    def last_epoch(self, module_hash: ModuleHash) -> int:
        """Return the highest epoch that something happened to this module in; 0 if nothing did."""
        documents = self._collection.find({"module_hash": module_hash}, {"detail.epoch": 1})
        return max((doc.get("detail", {}).get("epoch", 0) for doc in documents), default=0)

    def modules_starting_with(self, prefix: str) -> set[ModuleHash]:
        """Return the hashes that start with this and that something happened to."""
        # "g" is greater than every hexadecimal digit: a range of the index.
        span = {"$gte": prefix, "$lt": f"{prefix}g"}
        documents = self._collection.find({"module_hash": span}, {"module_hash": 1})
        return {document["module_hash"] for document in documents}

    def purge(self, before: datetime) -> int:
        """Delete one slice of events older than this; return how many went."""
        old = self._collection.find({"at": {"$lt": before}}, {"_id": 1}).limit(PURGE_SLICE)
        ids = [document["_id"] for document in old]
        if ids:
            self._collection.delete_many({"_id": {"$in": ids}})
        return len(ids)


def _order(event: Event) -> tuple[datetime, ModuleHash, int, bool]:
    """Order by time; what happened in one millisecond in the order of each module's sessions."""
    epoch = event.detail.get("epoch", 0)
    return event.at, event.module_hash, epoch, event.what == State.OFFLINE


def _to_document(event: Event) -> dict[str, Any]:
    return {
        "_id": event.id,
        "module_hash": event.module_hash,
        "at": event.at,
        "what": event.what,
        "reason": event.reason,
        "detail": dict(event.detail),
    }


def _to_event(document: Mapping[str, Any]) -> Event:
    return Event(
        id=document["_id"],
        module_hash=document["module_hash"],
        at=document["at"],
        what=document["what"],
        reason=document["reason"],
        detail=document["detail"],
    )
