"""The registered modules: what they said about themselves, and what operators decided."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import IndexModel
from pymongo.database import Database

from shared.domain.closing import OfflineReason
from shared.domain.disabling import Disabling
from shared.domain.ids import ModuleHash, NodeId
from shared.domain.module import DEFAULT_PRIORITY, Change, Module, ModuleEntry
from shared.store.chunks import chunks, each
from shared.store.errors import insert_new
from shared.store.lenient import LONG_AGO, Form
from shared.store.sessions import DISABLING_FALLBACKS, SESSION_FALLBACKS, to_disabling, to_session

# Python's names of the fields whose public names are fixed by the contract.
_KEYS = {
    "mission_kind": "missionKind",
    "data_requirement": "dataRequirement",
    "model_hash": "modelHash",
}


# What may be long: left out where many modules are read to send them work.
_LONG: dict[str, Any] = {
    "description": "",
    "dataRequirement": None,
    "input_data": None,
    "output_data": None,
}
_BRIEF = {**dict.fromkeys(_LONG, 0), "unrecorded_change": 0}

# The driver holds the documents of one answer at once, each with 64 KiB of a module's own or more.
READ_AT_ONCE = 500


class Modules:
    """The `modules` collection; a connect re-indexes nothing but `session.node`."""

    # A node's sessions, and the number that people know. Every further index is paid for by every
    # connect on the embedded server: it writes all entries of a changed document anew.
    INDEXES = (IndexModel("session.node"), IndexModel("module_id"))

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["modules"]

    @staticmethod
    def parse(document: Mapping[str, Any]) -> Module:
        """Return the module that a document is; raises KeyError, TypeError or ValueError."""
        return _to_module(document)

    def is_empty(self) -> bool:
        """Return whether no module is registered."""
        return self._collection.find_one({}, {"_id": 1}) is None

    def get(self, module_hash: ModuleHash) -> Module | None:
        """Return the module with this hash, or None."""
        document = self._collection.find_one({"_id": module_hash})
        return _FORM.read(document) if document else None

    def get_by_module_id(self, module_id: int) -> Module | None:
        """Return the module with this number, or None."""
        document = self._collection.find_one({"module_id": module_id})
        return _FORM.read(document) if document else None

    def entries(self, *, after: int = 0) -> list[ModuleEntry]:
        """Return what the modules with higher numbers than this are found by."""
        newer = {"module_id": {"$gt": after}} if after else {}
        fields = {"module_id": 1, "name": 1, "missionKind": 1, "tags": 1}
        return [
            ModuleEntry(
                module_hash=document["_id"],
                module_id=document.get("module_id", 0),
                name=document.get("name", ""),
                mission_kind=document.get("missionKind", ""),
                tags=tuple(document.get("tags") or ()),
            )
            for document in self._collection.find(newer, fields)
        ]

    def taken_numbers(self, module_ids: Iterable[int]) -> set[int]:
        """Return which of these numbers are some module's."""
        return {
            document["module_id"]
            for ids in chunks(module_ids)
            for document in self._collection.find({"module_id": {"$in": ids}}, {"module_id": 1})
        }

    def names(self, hashes: Iterable[ModuleHash]) -> dict[ModuleHash, str]:
        """Return {hash: name} of the registered ones of these modules."""
        return {
            document["_id"]: document.get("name", "")
            for ids in chunks(hashes)
            for document in self._collection.find({"_id": {"$in": ids}}, {"name": 1})
        }

    def of_hashes(self, hashes: Iterable[ModuleHash]) -> list[Module]:
        """Return those of these modules that are registered."""
        return [
            module
            for ids in chunks(hashes)
            for module in _FORM.read_all(self._collection.find({"_id": {"$in": ids}}))
        ]

    def brief(self, hashes: Iterable[ModuleHash]) -> list[Module]:
        """Return those of these modules that are registered, without what is long about them."""
        return [
            module
            for ids in chunks(hashes)
            for module in _FORM.read_all(
                document | _LONG
                for document in self._collection.find({"_id": {"$in": ids}}, _BRIEF)
            )
        ]

    def count(self) -> int:
        """Return how many modules are registered (the embedded server counts them one by one)."""
        return self._collection.estimated_document_count()

    def stream(self) -> Iterator[Module]:
        """Yield every registered module."""
        return _FORM.read_all(each(self._collection.find({}, batch_size=READ_AT_ONCE)))

    def stream_on_nodes(self, nodes: Iterable[NodeId]) -> Iterator[Module]:
        """Yield the modules that have a session on one of these nodes."""
        held = {"session.node": {"$in": list(nodes)}}
        return _FORM.read_all(each(self._collection.find(held, batch_size=READ_AT_ONCE)))

    def connected(self) -> list[Module]:
        """Return the modules that have a session, whatever became of its node."""
        documents = self._collection.find({"session.node": {"$gt": ""}})
        return list(_FORM.read_all(documents))

    def insert(self, modules: Sequence[Module]) -> list[Module]:
        """Insert new modules; return those that no other process registered in between."""
        inserted = insert_new(self._collection, [_to_document(module) for module in modules])
        if inserted == len(modules):
            return list(modules)
        numbers = {
            found.module_hash: found.module_id
            for found in self.of_hashes(m.module_hash for m in modules)
        }
        return [module for module in modules if numbers.get(module.module_hash) == module.module_id]

    def change(self, module: Module, change: Change) -> bool:
        """Write what a re-registration changes; False when the revision moved in between.

        The change stays in the module until `forget_change`, for the event that tells of it.
        """
        said = {_KEYS.get(name, name): says["to"] for name, says in change.difference.items()}
        unrecorded = {"revision": change.revision, "at": change.at, "difference": change.difference}
        result = self._collection.update_one(
            {"_id": module.module_hash, "revision": module.revision},
            {
                "$set": {**said, "updated_at": change.at, "unrecorded_change": unrecorded},
                "$inc": {"revision": 1},
            },
        )
        return result.matched_count == 1

    def forget_change(self, module: Module, change: Change) -> None:
        """Remove a change whose event is recorded, unless there is a newer one."""
        self._collection.update_one(
            {"_id": module.module_hash, "unrecorded_change.revision": change.revision},
            {"$unset": {"unrecorded_change": 1}},
        )

    def set_enabled(
        self,
        module_hash: ModuleHash,
        now: datetime,
        *,
        enabled: bool,
        disabling: Disabling | None = None,
    ) -> bool:
        """Enable or disable a module; False when it is so already, or unknown."""
        disabled = _disabling_document(disabling) if disabling else None
        result = self._collection.update_one(
            {"_id": module_hash, "enabled": not enabled},
            {"$set": {"enabled": enabled, "disabled": disabled, "updated_at": now}},
        )
        return result.matched_count == 1

    def disable_because(self, module_hash: ModuleHash, disabling: Disabling) -> bool:
        """Give another reason for a disabled module; False when it is no other, or is enabled."""
        result = self._collection.update_one(
            {
                "_id": module_hash,
                "enabled": False,
                "disabled.because": {"$ne": disabling.because},
            },
            {"$set": {"disabled": _disabling_document(disabling), "updated_at": disabling.at}},
        )
        return result.matched_count == 1

    def set_decided(self, old: Module, new: Module) -> bool:
        """Write what operators set; False when another operator did in between."""
        result = self._collection.update_one(
            {"_id": old.module_hash, "priority": old.priority, "tags": list(old.tags)},
            {
                "$set": {
                    "priority": new.priority,
                    "tags": list(new.tags),
                    "updated_at": new.updated_at,
                }
            },
        )
        return result.matched_count == 1

    def delete(self, module_hash: ModuleHash, epoch: int) -> bool:
        """Delete a module; False when it is unknown, or no longer in this epoch."""
        guard = {"_id": module_hash, "epoch": epoch}
        return self._collection.delete_one(guard).deleted_count == 1


def _to_module(document: Mapping[str, Any]) -> Module:
    session, unrecorded = document["session"], document.get("unrecorded_change")
    return Module(
        module_hash=document["_id"],
        module_id=document["module_id"],
        name=document["name"],
        description=document["description"],
        mission_kind=document["missionKind"],
        model_hash=document["modelHash"],
        data_requirement=document["dataRequirement"],
        input_data=document["input_data"],
        output_data=document["output_data"],
        tags=tuple(document["tags"]),
        priority=document["priority"],
        enabled=document["enabled"],
        disabling=None if document["enabled"] else to_disabling(document.get("disabled")),
        revision=document["revision"],
        unrecorded_change=_to_change(unrecorded) if unrecorded else None,
        epoch=document["epoch"],
        session=to_session(session) if session else None,
        state_since=document["state_since"],
        offline_reason=OfflineReason(document["offline_reason"]),
        offline_detail=document.get("offline_detail"),
        takeovers=tuple(document.get("takeovers", ())),
        registered_at=document["registered_at"],
        updated_at=document["updated_at"],
        last_login_time=document["last_login_time"],
    )


_FORM = Form(
    collection="modules",
    parse=_to_module,
    fallbacks={
        "module_id": 0,
        "name": "",
        "description": "",
        "missionKind": "",
        "modelHash": "",
        "dataRequirement": None,
        "input_data": None,
        "output_data": None,
        "tags": (),
        "priority": DEFAULT_PRIORITY,
        "enabled": True,
        "disabled": DISABLING_FALLBACKS,
        "revision": 1,
        "unrecorded_change": {"revision": 1, "at": LONG_AGO, "difference": {}},
        "epoch": 0,
        "session": SESSION_FALLBACKS,
        "state_since": LONG_AGO,
        "offline_reason": OfflineReason.CONNECTION_LOST,
        "registered_at": LONG_AGO,
        "updated_at": LONG_AGO,
        "last_login_time": None,
    },
)


def _disabling_document(disabling: Disabling) -> dict[str, Any]:
    return {"at": disabling.at, "actor": disabling.actor, "because": disabling.because}


def _to_change(document: Mapping[str, Any]) -> Change:
    return Change(
        revision=document["revision"], at=document["at"], difference=document["difference"]
    )


def _to_document(module: Module) -> dict[str, Any]:
    return {
        "_id": module.module_hash,
        "module_id": module.module_id,
        "name": module.name,
        "description": module.description,
        "missionKind": module.mission_kind,
        "modelHash": module.model_hash,
        "dataRequirement": module.data_requirement,
        "input_data": module.input_data,
        "output_data": module.output_data,
        "tags": list(module.tags),
        "priority": module.priority,
        "enabled": module.enabled,
        "disabled": _disabling_document(module.disabling) if module.disabling else None,
        "revision": module.revision,
        "epoch": module.epoch,
        "session": None,
        "state_since": module.state_since,
        "offline_reason": module.offline_reason.value,
        "offline_detail": module.offline_detail,
        "registered_at": module.registered_at,
        "updated_at": module.updated_at,
        "last_login_time": module.last_login_time,
    }
