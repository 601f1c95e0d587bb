"""The indexes that must exist, and the marker that tells whether their making was finished."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import IndexModel
from pymongo.database import Database

# Raise it with every change of an index: `init-db` then makes all of them again.
VERSION = 3
MARKER = "indexes"


@dataclass(frozen=True, kw_only=True)
class Marker:
    """What the database says about its indexes; `builder` is set from before they are made."""

    version: int = 0
    builder: str | None = None

    @property
    def is_current(self) -> bool:
        """Return whether the indexes of this version were made to the end."""
        return self.version == VERSION and self.builder is None


class Indexes:
    """Every collection's indexes.

    A server that is killed while it makes an index may leave a broken one that looks whole. So the
    marker, a document among the counters, names whoever began and has not finished.
    """

    def __init__(
        self, database: Database[dict[str, Any]], indexes: Mapping[str, Sequence[IndexModel]]
    ) -> None:
        self._database = database
        self._indexes = indexes
        self._markers = database["counters"]

    def read_marker(self) -> Marker:
        """Return the marker; version 0 when there is none."""
        document = self._markers.find_one({"_id": MARKER})
        if document is None:
            return Marker()
        return Marker(version=document.get("value", 0), builder=document.get("builder"))

    def begin(self, builder: str, *, instead_of: str | None) -> bool:
        """Become the builder; False when somebody else was first."""
        self._markers.update_one(
            {"_id": MARKER}, {"$setOnInsert": {"value": 0, "builder": None}}, upsert=True
        )
        result = self._markers.update_one(
            {"_id": MARKER, "builder": instead_of}, {"$set": {"builder": builder}}
        )
        return result.matched_count == 1

    def finish(self, builder: str) -> bool:
        """Say that every index stands; False when somebody else took over meanwhile."""
        result = self._markers.update_one(
            {"_id": MARKER, "builder": builder}, {"$set": {"value": VERSION, "builder": None}}
        )
        return result.matched_count == 1

    def create_indexes(self) -> None:
        """Create the indexes that do not exist."""
        for collection, indexes in self._indexes.items():
            self._database[collection].create_indexes(list(indexes))

    def drop_indexes(self) -> None:
        """Drop every index but the primary ones."""
        for collection in self._indexes:
            self._database[collection].drop_indexes()

    def missing_indexes(self) -> list[str]:
        """Name the indexes that do not exist, as collection.index."""
        missing = []
        for collection, indexes in self._indexes.items():
            present = {index["name"] for index in self._database[collection].list_indexes()}
            names = [index.document["name"] for index in indexes]
            missing += [f"{collection}.{name}" for name in names if name not in present]
        return missing
