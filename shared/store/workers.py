"""When each worker process last said that it runs."""

from datetime import datetime
from typing import Any

from pymongo.database import Database


class Workers:
    """The `workers` collection: one small document per worker, never removed while it is used."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["workers"]

    def note(self, worker: str, at: datetime) -> None:
        """Note that this worker runs."""
        self._collection.update_one({"_id": worker}, {"$max": {"at": at}}, upsert=True)

    def all(self) -> dict[str, datetime]:
        """Return when each worker last said that it runs."""
        return {doc["_id"]: doc["at"] for doc in self._collection.find({}) if "at" in doc}
