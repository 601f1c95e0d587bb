"""The indexes that must exist, and the marker that tells whether their making was finished."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import IndexModel
from pymongo.database import Database

# Raise it with every change of an index: `init-db` then makes all of them again.
VERSION = 5
MARKER = "indexes"


@dataclass(frozen=True, kw_only=True)
class Marker:
    """What the database says about its indexes; `builder` is set from before they are made.

    A builder that is alive raises `progress`; what is `finished` survives it.
    """

    version: int = 0
    builder: str | None = None
    progress: int | None = None
    finished: frozenset[str] = frozenset()

    @property
    def is_current(self) -> bool:
        """Return whether the indexes of this version were made to the end."""
        return self.version == VERSION and self.builder is None


class Indexes:
    """Every collection's indexes, each named as collection.index.

    A server that is killed while it makes an index may leave a broken one that looks whole. So the
    marker, a document among the counters, names the process that makes them and what it finished.
    """

    def __init__(
        self, database: Database[dict[str, Any]], indexes: Mapping[str, Sequence[IndexModel]]
    ) -> None:
        self._database = database
        self._models = {
            f"{collection}.{model.document['name']}": model
            for collection, models in indexes.items()
            for model in models
        }
        self._collections = tuple(indexes)
        self._markers = database["counters"]

    def read_marker(self) -> Marker:
        """Return the marker; version 0 when there is none."""
        document = self._markers.find_one({"_id": MARKER}) or {}
        return Marker(
            version=document.get("value", 0),
            builder=document.get("builder"),
            progress=document.get("progress"),
            finished=frozenset(document.get("finished", ())),
        )

    def begin(self, builder: str, seen: Marker) -> bool:
        """Become the builder; False when another one was first, or goes on after all."""
        self._markers.update_one(
            {"_id": MARKER}, {"$setOnInsert": {"value": 0, "builder": None}}, upsert=True
        )
        # Where no builder was cut off, every index that exists is whole.
        finished = self.present() if seen.builder is None else seen.finished
        result = self._markers.update_one(
            {"_id": MARKER, "builder": seen.builder, "progress": seen.progress},
            {"$set": {"builder": builder, "finished": sorted(finished)}, "$inc": {"progress": 1}},
        )
        return result.matched_count == 1

    def note_progress(self, builder: str) -> bool:
        """Say that the builder is alive; False when another process took over."""
        return self._update(builder, {"$inc": {"progress": 1}})

    def note_finished(self, builder: str, name: str) -> bool:
        """Say that this index stands; False when another process took over."""
        return self._update(builder, {"$inc": {"progress": 1}, "$addToSet": {"finished": name}})

    def finish(self, builder: str) -> bool:
        """Say that every index stands; False when another process took over."""
        return self._update(builder, {"$set": {"value": VERSION, "builder": None}})

    def unfinished(self) -> list[str]:
        """Name the indexes that do not exist, or whose making was cut off."""
        marker = self.read_marker()
        whole = self.present() & marker.finished if marker.builder else self.present()
        return [name for name in self._models if name not in whole]

    def make(self, name: str) -> None:
        """Make an index; one that was begun before is made anew."""
        collection, _, index = name.partition(".")
        if name in self.present():
            self._database[collection].drop_index(index)
        self._database[collection].create_indexes([self._models[name]])

    def missing_indexes(self) -> list[str]:
        """Name the indexes that do not exist."""
        present = self.present()
        return [name for name in self._models if name not in present]

    def present(self) -> frozenset[str]:
        """Name the indexes that exist."""
        return frozenset(
            f"{collection}.{index['name']}"
            for collection in self._collections
            for index in self._database[collection].list_indexes()
        )

    def _update(self, builder: str, update: dict[str, Any]) -> bool:
        guard = {"_id": MARKER, "builder": builder}
        return self._markers.update_one(guard, update).matched_count == 1
