"""The change stream of work: it tells nodes at once what their polls would find a second later."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from shared.domain.ids import MessageId, NodeId
from shared.domain.message import MessageStatus

WAIT_MS = 1000


@dataclass(frozen=True, slots=True)
class WorkChange:
    """A message of a node was queued, or an operator wants it to be given up."""

    id: MessageId
    is_cancel: bool


class WorkChanges:
    """Watches the `messages` collection, from the database down: one stream per process."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._database = database

    def watch(
        self, nodes: Sequence[NodeId], is_wanted: Callable[[], bool]
    ) -> Iterator[WorkChange | None]:
        """Yield the changes of these nodes' messages, None while there is none, while it is wanted.

        The first None comes when the stream is open. Raises driver errors.
        """
        with self._database.watch(_pipeline(nodes), max_await_time_ms=WAIT_MS) as stream:
            yield None
            while is_wanted():
                change = stream.try_next()
                if change is None:
                    yield None
                else:
                    is_cancel = bool(change.get("cancelled"))
                    yield WorkChange(change["documentKey"]["_id"], is_cancel)


def _pipeline(nodes: Sequence[NodeId]) -> list[dict[str, Any]]:
    """Return what lets only those changes through that call for a look."""
    ours = {"$in": list(nodes)}
    updated = "updateDescription.updatedFields"
    queued = [
        {"operationType": "insert", "fullDocument.node": ours},
        {
            "operationType": "update",
            f"{updated}.node": ours,
            f"{updated}.status": {"$ne": MessageStatus.SENT.value},  # that is the node's own doing
        },
    ]
    cancelled = {"operationType": "update", f"{updated}.cancel_requested_at": {"$exists": True}}
    return [
        {"$match": {"ns.coll": "messages", "$or": [*queued, cancelled]}},
        {"$project": {"documentKey": 1, "cancelled": f"${updated}.cancel_requested_at"}},
    ]
