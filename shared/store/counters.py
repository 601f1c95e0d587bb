"""Numbers that are handed out, and the registry's change counter."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument
from pymongo.database import Database

from shared.domain.ids import ModuleHash, WorkflowId

MODULE_ID = "module_id"
WORKFLOW_ID = "workflow_id"
REGISTRY_CHANGES = "registry_changes"
WRITE_PROBES = "write_probes"
# Far more than there are processes; only a database that takes half of our writes fills it.
UNFINISHED_KEPT = 100


@dataclass(frozen=True, kw_only=True)
class Handout:
    """Numbers for modules that are about to be registered; unfinished until their events are.

    One without numbers is for a module that is about to be changed.
    """

    id: str
    hashes: tuple[ModuleHash, ...]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class HandedOut:
    """A handout, the first of its numbers, and the earlier handouts that are unfinished."""

    handout: Handout
    first: int
    unfinished: tuple[Handout, ...]


@dataclass(frozen=True, kw_only=True)
class Registrations:
    """How far registering got; settled when no module below `handed_out` is still on its way."""

    handed_out: int
    finished: int
    are_settled: bool


class Counters:
    """The `counters` collection: made by `init-db`, never dropped."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["counters"]

    def ensure(self) -> None:
        """Make the counters that do not exist yet."""
        for name in (MODULE_ID, WORKFLOW_ID, REGISTRY_CHANGES):
            self._collection.update_one({"_id": name}, {"$setOnInsert": {"value": 0}}, upsert=True)

    def next_module_id(self) -> int:
        """Hand out the next module_id; a number is never handed out twice."""
        return int(self._update({"$inc": {"value": 1}})["value"])

    def next_workflow_id(self) -> WorkflowId:
        """Hand out the next workflow_id; a number is never handed out twice."""
        return WorkflowId(int(self._update({"$inc": {"value": 1}}, WORKFLOW_ID)["value"]))

    def note_unfinished(self, module_hash: ModuleHash, now: datetime) -> Handout:
        """Note that an event of this module is about to be due; it gets no new number."""
        return self._hand_out([module_hash], 0, now).handout

    def hand_out(self, hashes: Sequence[ModuleHash], now: datetime) -> HandedOut:
        """Hand out a module_id to each of these modules, and note that they are on their way."""
        return self._hand_out(hashes, len(hashes), now)

    def _hand_out(self, hashes: Sequence[ModuleHash], count: int, now: datetime) -> HandedOut:
        mine = Handout(id=uuid.uuid4().hex, hashes=tuple(hashes), at=now)
        entry = {"id": mine.id, "hashes": list(mine.hashes), "at": mine.at}
        kept = {"$each": [entry], "$slice": -UNFINISHED_KEPT}
        document = self._update({"$inc": {"value": count}, "$push": {"unfinished": kept}})
        return HandedOut(
            handout=mine,
            first=int(document["value"]) - count + 1,
            unfinished=tuple(_to_handout(e) for e in document["unfinished"] if e["id"] != mine.id),
        )

    def unfinished(self) -> list[Handout]:
        """Return the handouts that are not finished."""
        document = self._collection.find_one({"_id": MODULE_ID}) or {}
        return [_to_handout(entry) for entry in document.get("unfinished", ())]

    def registrations(self) -> Registrations:
        """Return how far registering got."""
        document = self._collection.find_one({"_id": MODULE_ID}) or {}
        return Registrations(
            handed_out=int(document.get("value", 0)),
            finished=int(document.get("finished", 0)),
            are_settled=not document.get("unfinished"),
        )

    def finish(self, handouts: Iterable[Handout]) -> None:
        """Forget handouts whose modules are registered: one more change of the registry."""
        ids = [handout.id for handout in handouts]
        self._collection.update_one(
            {"_id": MODULE_ID},
            {"$pull": {"unfinished": {"id": {"$in": ids}}}, "$inc": {"finished": 1}},
        )

    def _update(self, update: Mapping[str, Any], name: str = MODULE_ID) -> dict[str, Any]:
        document = self._collection.find_one_and_update(
            {"_id": name}, update, upsert=True, return_document=ReturnDocument.AFTER
        )
        if document is None:  # an upsert lost its race on the embedded server: the counter exists
            return self._update(update, name)
        return document

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
        found = {document["_id"]: document for document in self._collection.find({})}
        numbers, changes = found.get(MODULE_ID, {}), found.get(REGISTRY_CHANGES, {})
        # Counted with their numbers, new modules cost one write less.
        new = int(numbers.get("finished", 0))
        return int(changes.get("value", 0)) + new, int(numbers.get("value", 0))


def _to_handout(entry: Mapping[str, Any]) -> Handout:
    return Handout(id=entry["id"], hashes=tuple(entry["hashes"]), at=entry["at"])
