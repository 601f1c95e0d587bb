"""How often something was taken of what is limited in an hour."""

from datetime import datetime
from typing import Any

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError


class Quotas:
    """The `quotas` collection: a count of the current hour for each key, filled only by quotas."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["quotas"]

    def take(self, key: str, now: datetime, limit: int) -> bool:
        """Take one of this hour's; False when all are taken. Holds over all processes."""
        hour = f"{now:%Y-%m-%dT%H}"
        has_room = {"_id": f"{hour} {key}", "taken": {"$lt": limit}}
        one_more = {"$inc": {"taken": 1}}
        try:
            result = self._collection.update_one(has_room, one_more, upsert=True)
        except DuplicateKeyError:  # the count is at its limit, or another process has just made it
            return self._collection.update_one(has_room, one_more).matched_count == 1
        if result.upserted_id is not None:
            self._collection.delete_many({"_id": {"$lt": hour}})
        return True
