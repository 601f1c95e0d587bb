"""Numbers that are handed out, and the registry's change counter."""

from typing import Any

from pymongo import ReturnDocument
from pymongo.database import Database

MODULE_ID = "module_id"
REGISTRY_CHANGES = "registry_changes"
WRITE_PROBES = "write_probes"


class Counters:
    """The `counters` collection: made by `init-db`, never dropped."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["counters"]

    def ensure(self) -> None:
        """Make the counters that do not exist yet."""
        for name in (MODULE_ID, REGISTRY_CHANGES):
            self._collection.update_one({"_id": name}, {"$setOnInsert": {"value": 0}}, upsert=True)

    def next_module_id(self) -> int:
        """Hand out the next module_id; a number is never handed out twice."""
        document = self._collection.find_one_and_update(
            {"_id": MODULE_ID},
            {"$inc": {"value": 1}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        if document is None:  # an upsert lost its race on the embedded server: the counter exists
            return self.next_module_id()
        return int(document["value"])

    def raise_to(self, name: str, at_least: int) -> None:
        """Make sure that a counter has passed this number (after an import); never lower it."""
        self._collection.update_one({"_id": name}, {"$max": {"value": at_least}}, upsert=True)

    def note_registry_change(self) -> None:
        """Tell the readers of listings that something in them may have changed."""
        self._collection.update_one({"_id": REGISTRY_CHANGES}, {"$inc": {"value": 1}}, upsert=True)

    def count_probe(self) -> None:
        """Write for the sake of writing: a server may answer, and read, and yet take no writes."""
        self._collection.update_one({"_id": WRITE_PROBES}, {"$inc": {"value": 1}}, upsert=True)

    def read(self) -> tuple[int, int]:
        """Return (registry changes so far, modules ever registered)."""
        values = {doc["_id"]: int(doc.get("value", 0)) for doc in self._collection.find({})}
        return values.get(REGISTRY_CHANGES, 0), values.get(MODULE_ID, 0)
