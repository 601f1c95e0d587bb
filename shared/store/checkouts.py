"""Which checkouts of the platform use this database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo.database import Database


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A directory with the platform's code, on a machine."""

    host: str
    path: str

    def __str__(self) -> str:
        """Return it as people name it."""
        return f"{self.host}:{self.path}"


class Checkouts:
    """The `checkouts` collection: one small document for each."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["checkouts"]

    def note(self, checkout: Checkout, at: datetime) -> None:
        """Note that this checkout uses the database."""
        values = {"host": checkout.host, "path": checkout.path, "at": at}
        self._collection.update_one({"_id": str(checkout)}, {"$set": values}, upsert=True)

    def forget_others(self, checkout: Checkout) -> None:
        """Remove the marks of all others: a database of our own serves the one that started it."""
        self._collection.delete_many({"_id": {"$ne": str(checkout)}})

    def all(self) -> list[Checkout]:
        """Return every checkout that was noted."""
        found = self._collection.find({})
        known = [Checkout(host=doc["host"], path=doc["path"]) for doc in found if "path" in doc]
        return sorted(known, key=str)
