"""Instructions to nodes about their sessions."""

from collections.abc import Sequence
from typing import Any

from pymongo import DeleteMany, IndexModel, UpdateOne
from pymongo.database import Database

from shared.domain.module import NodeId, OfflineReason
from shared.domain.order import Order, OrderKind


class Orders:
    """The `orders` collection: read and removed by its node every second."""

    INDEXES = (IndexModel("node"),)

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["orders"]

    def give(self, orders: Sequence[Order]) -> None:
        """Give orders; the first one about a session stands."""
        if not orders:
            return
        self._collection.bulk_write(
            [
                UpdateOne({"_id": order.id}, {"$setOnInsert": _to_document(order)}, upsert=True)
                for order in orders
            ],
            ordered=False,
        )

    def read(self, node: NodeId) -> list[Order]:
        """Return what this node has to do."""
        return [
            Order(
                session=document["session"],
                node=document["node"],
                module_hash=document["module_hash"],
                created_at=document["created_at"],
                kind=OrderKind(document["kind"]),
                close_code=document["close_code"],
                reason=OfflineReason(document["reason"]),
            )
            for document in self._collection.find({"node": node})
            if "answered" not in document
        ]

    def remove(self, orders: Sequence[Order]) -> None:
        """Remove orders that were carried out."""
        if orders:
            ids = [order.id for order in orders]
            self._collection.bulk_write([DeleteMany({"_id": {"$in": ids}})])

    def answer(self, order: Order, *, alive: bool) -> None:
        """Leave a probe's answer for whoever asked."""
        self._collection.update_one({"_id": order.id}, {"$set": {"answered": alive}})

    def read_answer(self, order: Order) -> bool | None:
        """Return a probe's answer, or None while there is none."""
        document = self._collection.find_one({"_id": order.id})
        return document.get("answered") if document else None

    def remove_of_node(self, node: NodeId) -> None:
        """Remove the orders of a node that nobody will carry out any more."""
        self._collection.delete_many({"node": node})


def _to_document(order: Order) -> dict[str, Any]:
    return {
        "session": order.session,
        "node": order.node,
        "module_hash": order.module_hash,
        "created_at": order.created_at,
        "kind": order.kind.value,
        "close_code": int(order.close_code),
        "reason": order.reason.value,
    }
