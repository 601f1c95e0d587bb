"""The modules' sessions, which lie in the documents of the `modules` collection."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pymongo import UpdateOne
from pymongo.database import Database

from shared.domain.actor import PLATFORM
from shared.domain.closing import OfflineReason
from shared.domain.disabling import Disabling
from shared.domain.ids import ModuleHash, NodeId, SessionId
from shared.domain.session import (
    TAKEOVERS_ALLOWED,
    Overwritten,
    Session,
    SessionEnd,
    SessionRecord,
    SessionStart,
    StoredSession,
)
from shared.store.chunks import chunks
from shared.store.lenient import LONG_AGO, Form

_RECORD_FIELDS = dict.fromkeys(
    ("session", "epoch", "enabled", "disabled", "state_since", "takeovers"), 1
)
_STORED_FIELDS = {"session.id": 1, "session.peer": 1, "epoch": 1, "enabled": 1}


class Sessions:
    """The `session` and `epoch` of every module; every write is guarded by one of them."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["modules"]

    def read(self, hashes: Iterable[ModuleHash]) -> dict[ModuleHash, SessionRecord]:
        """Return the session records of those of these modules that are registered."""
        return {
            record.module_hash: record
            for ids in chunks(hashes)
            for record in _FORM.read_all(
                self._collection.find({"_id": {"$in": ids}}, _RECORD_FIELDS)
            )
        }

    def of_node(self, node: NodeId, limit: int = 0) -> list[SessionRecord]:
        """Return the sessions that the database attributes to this node, all or so many of them."""
        documents = self._collection.find({"session.node": node}, _RECORD_FIELDS, batch_size=500)
        return list(_FORM.read_all(documents.limit(limit)))

    def stored_for(self, node: NodeId) -> list[StoredSession]:
        """Return as much of this node's sessions as each of its rounds needs of all of them."""
        documents = self._collection.find({"session.node": node}, _STORED_FIELDS, batch_size=500)
        return list(_STORED_FORM.read_all(documents))

    def orphaned(self, nodes: Sequence[NodeId]) -> list[SessionRecord]:
        """Return the sessions of nodes that are not among these (the gaps in the index)."""
        edges: list[Any] = ["", *sorted(nodes)]
        found: list[SessionRecord] = []
        for left, right in zip(edges, [*edges[1:], None], strict=True):
            gap = {"$gt": left} if right is None else {"$gt": left, "$lt": right}
            documents = self._collection.find({"session.node": gap}, _RECORD_FIELDS)
            found.extend(_FORM.read_all(documents))
        return found

    def write(self, starts: Sequence[SessionStart], ends: Sequence[SessionEnd]) -> int:
        """Write sessions that begin and end, each guarded; return how many guards held."""
        updates = [_start_update(start) for start in starts] + [_end_update(end) for end in ends]
        if not updates:
            return 0
        return self._collection.bulk_write(updates, ordered=False).matched_count


def _start_update(start: SessionStart) -> UpdateOne:
    session = start.session
    begins_at = start.rebound_at or session.connected_at
    stored: dict[str, Any] = {
        "id": session.id,
        "node": session.node,
        "peer": session.peer,
        "connected_at": session.connected_at,
    }
    if (old := start.overwritten) is not None:
        stored["overwritten"] = {"epoch": old.epoch, "reason": old.reason.value, "at": old.at}
    update: dict[str, Any] = {
        "$set": {
            "session": stored,
            "epoch": start.epoch,
            "state_since": begins_at,
            "offline_detail": None,
        }
    }
    if start.rebound_at is None:
        update["$set"]["last_login_time"] = session.connected_at
    if start.is_takeover:
        times = {"$each": [begins_at], "$slice": -(TAKEOVERS_ALLOWED + 1)}
        update["$push"] = {"takeovers": times}
    # $ne, not True: between equalities alone the embedded server first searches for an index over
    # all of them, which made an update a tenth slower.
    guard = {
        "_id": start.module_hash,
        "epoch": start.epoch_before,
        "enabled": {"$ne": False},
    }
    return UpdateOne(guard, update)


def _end_update(end: SessionEnd) -> UpdateOne:
    update: dict[str, Any] = {
        "$set": {
            "session": None,
            "state_since": end.at,
            "offline_reason": end.reason.value,
            "offline_detail": dict(end.detail) or None,
        }
    }
    if end.raise_epoch:
        update["$inc"] = {"epoch": 1}
    guard = {"_id": end.module_hash, "session.id": end.session_id}
    if end.node is not None:
        guard["session.node"] = end.node
    return UpdateOne(guard, update)


def _to_record(document: Mapping[str, Any]) -> SessionRecord:
    session = document["session"]
    return SessionRecord(
        module_hash=document["_id"],
        epoch=document["epoch"],
        enabled=document["enabled"],
        session=to_session(session) if session else None,
        state_since=document["state_since"],
        overwritten=_to_overwritten(session.get("overwritten")) if session else None,
        takeovers=tuple(document.get("takeovers", ())),
        disabling=None if document["enabled"] else to_disabling(document.get("disabled")),
    )


def _to_stored(document: Mapping[str, Any]) -> StoredSession:
    session = document["session"]
    return StoredSession(
        module_hash=document["_id"],
        session_id=session["id"],
        peer=session["peer"],
        epoch=document["epoch"],
        enabled=document["enabled"],
    )


def to_disabling(part: Mapping[str, Any] | None) -> Disabling | None:
    """Return why a module is disabled, if a part of its document says so."""
    if part is None:
        return None
    return Disabling(at=part["at"], actor=part["actor"], because=part["because"])


def _to_overwritten(part: Mapping[str, Any] | None) -> Overwritten | None:
    if part is None:
        return None
    return Overwritten(epoch=part["epoch"], reason=OfflineReason(part["reason"]), at=part["at"])


def to_session(document: Mapping[str, Any]) -> Session:
    """Return the session that a part of a module's document is."""
    return Session(
        id=SessionId(document["id"]),
        node=NodeId(document["node"]),
        peer=document["peer"],
        connected_at=document["connected_at"],
    )


SESSION_FALLBACKS = {
    "id": "",
    "node": "",
    "peer": "",
    "connected_at": LONG_AGO,
    "overwritten": {"epoch": 0, "reason": OfflineReason.REPLACED, "at": LONG_AGO},
}
DISABLING_FALLBACKS = {"at": LONG_AGO, "actor": PLATFORM, "because": ""}
_FORM = Form(
    collection="modules",
    parse=_to_record,
    fallbacks={
        "session": SESSION_FALLBACKS,
        "epoch": 0,
        "enabled": True,
        "disabled": DISABLING_FALLBACKS,
        "state_since": LONG_AGO,
    },
)
_STORED_FORM = Form(
    collection="modules",
    parse=_to_stored,
    fallbacks={"session": {"id": "", "peer": ""}, "epoch": 0, "enabled": True},
)
