"""The running wsd processes and their leases."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.domain.closing import OfflineReason
from shared.domain.ids import NodeId
from shared.domain.node import Node
from shared.store.lenient import LONG_AGO, Form


class Nodes:
    """The `nodes` collection: one document per running wsd, removed last when it is gone."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["nodes"]

    def enrol(self, node: Node) -> None:
        """Make the document of a node that is about to take connections, or renew its lease.

        There is one already when the answer to an earlier attempt was lost. Raises DuplicateKeyError
        when it is another process's, or was declared dead.
        """
        document = {
            "_id": node.id,
            "address": node.address,
            "renewals": node.renewals,
            "lease_until": node.lease_until,
            "started_at": node.started_at,
            "sessions": node.sessions,
            "dead": False,
            "offline_reason": node.offline_reason.value,
        }
        try:
            self._collection.insert_one(document)
        except DuplicateKeyError:
            own = {"_id": node.id, "started_at": node.started_at, "dead": False}
            lease = {"lease_until": node.lease_until, "sessions": node.sessions}
            if self._collection.update_one(own, {"$set": lease}).matched_count == 0:
                raise

    def renew(self, node: NodeId, lease_until: datetime, sessions: int) -> bool:
        """Renew a lease; False when the node was declared dead or its document is gone."""
        result = self._collection.update_one(
            {"_id": node, "dead": False},
            {"$inc": {"renewals": 1}, "$set": {"lease_until": lease_until, "sessions": sessions}},
        )
        return result.matched_count == 1

    # Declaring a node dead ends its lease: its sessions ended then, whenever they are swept.

    def declare_dead(self, node: NodeId, renewals: int, at: datetime) -> bool:
        """Declare a node dead unless it renewed since; False when it did, or another was first."""
        result = self._collection.update_one(
            {"_id": node, "renewals": renewals, "dead": False},
            {"$set": {"dead": True}, "$min": {"lease_until": at}},
        )
        return result.matched_count == 1

    def declare_predecessors_dead(self, address: str, successor: NodeId, at: datetime) -> None:
        """Declare the nodes dead that had this address before: the successor has bound its port."""
        self._collection.update_many(
            {"address": address, "_id": {"$ne": successor}, "dead": False},
            {"$set": {"dead": True}, "$min": {"lease_until": at}},
        )

    def retire(self, node: NodeId, reason: OfflineReason, at: datetime) -> bool:
        """Declare the own node dead: its sessions end for this reason, whichever node writes it.

        False when another node was first.
        """
        result = self._collection.update_one(
            {"_id": node, "dead": False},
            {"$set": {"dead": True, "offline_reason": reason.value}, "$min": {"lease_until": at}},
        )
        return result.matched_count == 1

    def get(self, node: NodeId) -> Node | None:
        """Return this node, or None."""
        document = self._collection.find_one({"_id": node})
        return _FORM.read(document) if document else None

    def all(self) -> list[Node]:
        """Return every node, dead ones included."""
        return list(_FORM.read_all(self._collection.find({})))

    def remove(self, node: NodeId) -> None:
        """Remove a node's document: the last thing that is done about it."""
        self._collection.delete_one({"_id": node})


def _to_node(document: Mapping[str, Any]) -> Node:
    return Node(
        id=document["_id"],
        address=document["address"],
        renewals=document["renewals"],
        lease_until=document["lease_until"],
        started_at=document["started_at"],
        sessions=document["sessions"],
        dead=document["dead"],
        offline_reason=OfflineReason(document["offline_reason"]),
    )


_FORM = Form(
    collection="nodes",
    parse=_to_node,
    fallbacks={
        "address": "",
        "renewals": 0,
        "lease_until": LONG_AGO,
        "started_at": LONG_AGO,
        "sessions": 0,
        "dead": False,
        "offline_reason": OfflineReason.NODE_LOST,
    },
)
