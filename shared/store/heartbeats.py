"""When each module sent its last heartbeat, and when its last result was stored."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from pymongo import UpdateMany
from pymongo.database import Database

from shared.domain.ids import ModuleHash
from shared.domain.presence import NEVER, LastTimes
from shared.store.chunks import chunks
from shared.store.errors import insert_new

# The embedded server takes a sixth less for updates of 20 documents than for those of 50.
IDS_PER_UPDATE = 20
UPDATES_PER_CALL = 50


class Heartbeats:
    """The `heartbeats` collection: small documents, written often, indexed by nothing but `_id`."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["heartbeats"]

    def record(self, heartbeats: Mapping[datetime, Sequence[ModuleHash]]) -> list[ModuleHash]:
        """Raise the heartbeats of modules, given per second; make and return the missing ones."""
        made: list[ModuleHash] = []
        updates = [
            (second, ids)
            for second, hashes in heartbeats.items()
            for ids in chunks(hashes, IDS_PER_UPDATE)
        ]
        for part in chunks(updates, UPDATES_PER_CALL):
            result = self._collection.bulk_write(
                [UpdateMany({"_id": {"$in": ids}}, {"$max": {"at": at}}) for at, ids in part],
                ordered=False,
            )
            if result.matched_count < sum(len(ids) for _, ids in part):
                made += self._insert_missing(part)
        return made

    def _insert_missing(
        self, part: Sequence[tuple[datetime, Sequence[ModuleHash]]]
    ) -> list[ModuleHash]:
        # In the order of time: a module that is named for two seconds gets the later one.
        wanted = {key: at for at, ids in sorted(part, key=itemgetter(0)) for key in ids}
        found = {doc["_id"] for doc in self._collection.find({"_id": {"$in": list(wanted)}})}
        missing = [key for key in wanted if key not in found]
        # One that another process made meanwhile is as good.
        insert_new(self._collection, [{"_id": key, "at": wanted[key]} for key in missing])
        return missing

    def note_executions(self, executions: Mapping[datetime, Sequence[ModuleHash]]) -> None:
        """Raise the times of modules' last results, given per second, where a heartbeat is."""
        for at, hashes in executions.items():
            for ids in chunks(hashes, IDS_PER_UPDATE):
                self._collection.update_many({"_id": {"$in": ids}}, {"$max": {"executed_at": at}})

    def all(self) -> dict[ModuleHash, LastTimes]:
        """Return the times of all modules."""
        return {doc["_id"]: _to_times(doc) for doc in self._collection.find({})}

    def of(self, hashes: Sequence[ModuleHash]) -> dict[ModuleHash, LastTimes]:
        """Return the times of these modules."""
        return {
            doc["_id"]: _to_times(doc)
            for ids in chunks(hashes)
            for doc in self._collection.find({"_id": {"$in": ids}})
        }

    def get(self, module_hash: ModuleHash) -> LastTimes:
        """Return the times of this module."""
        document = self._collection.find_one({"_id": module_hash})
        return _to_times(document) if document else NEVER

    def hashes(self) -> list[ModuleHash]:
        """Return the modules that have a heartbeat, deleted ones included."""
        return [document["_id"] for document in self._collection.find({}, {"_id": 1})]

    def remove_many(self, hashes: Iterable[ModuleHash]) -> None:
        """Forget the heartbeats of modules that are gone."""
        for ids in chunks(hashes):
            self._collection.delete_many({"_id": {"$in": ids}})

    def remove(self, module_hash: ModuleHash) -> None:
        """Forget a deleted module's heartbeat."""
        self._collection.delete_one({"_id": module_hash})


def _to_times(document: Mapping[str, Any]) -> LastTimes:
    return LastTimes(document.get("at"), document.get("executed_at"))
