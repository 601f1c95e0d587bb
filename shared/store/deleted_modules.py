"""The last epochs of modules that were deleted: a new life under the same hash goes on from them."""

from collections.abc import Iterable
from typing import Any

from pymongo.database import Database

from shared.domain.ids import ModuleHash
from shared.store.chunks import chunks


class DeletedModules:
    """The `deleted_modules` collection: `_id` = module_hash, `epoch`, only ever raised."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["deleted_modules"]

    def note(self, module_hash: ModuleHash, epoch: int) -> None:
        """Note the epoch that a module is about to be deleted in."""
        self._collection.update_one({"_id": module_hash}, {"$max": {"epoch": epoch}}, upsert=True)

    def epochs(self, hashes: Iterable[ModuleHash]) -> dict[ModuleHash, int]:
        """Return the last epoch of each of these modules that was deleted before."""
        return {
            document["_id"]: document["epoch"]
            for ids in chunks(hashes)
            for document in self._collection.find({"_id": {"$in": ids}})
        }
