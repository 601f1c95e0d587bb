"""The change stream of work: it tells nodes at once what their polls would find a second later."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from shared.domain.ids import MessageId, NodeId
from shared.domain.message import MessageStatus

WAIT_MS = 1000
# The embedded server ends a wait at every write, whatever it is about. Asked again at once, a storm of
# other writes took half of the processor time: so the pauses grow until a change is told.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, PAUSE_GROWS_BY = 0.001, 0.1, 1.5
GIVEN_UP = [
    status.value
    for status in (
        MessageStatus.EXPIRED,
        MessageStatus.CANCELLED,
        MessageStatus.DEAD,
        MessageStatus.TIMED_OUT,
    )
]


@dataclass(frozen=True, slots=True)
class WorkChange:
    """A message of a node was queued, or an operator wants any to be given up, or it was ended.

    What modules answer is not told: their nodes know.
    """

    id: MessageId
    is_cancel: bool
    is_end: bool = False


class WorkChanges:
    """Watches the `messages` collection, and no other: each change that is passed over costs, too."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["messages"]

    def watch(
        self, nodes: Sequence[NodeId], is_wanted: Callable[[], bool]
    ) -> Iterator[WorkChange | None]:
        """Yield the changes of these nodes' messages, None while there is none, while it is wanted.

        The first None comes when the stream is open. Raises driver errors.
        """
        with self._collection.watch(_pipeline(nodes), max_await_time_ms=WAIT_MS) as stream:
            yield None
            pause_seconds = FIRST_PAUSE_SECONDS
            while is_wanted():
                asked_at = time.monotonic()
                change = stream.try_next()
                if change is None:
                    yield None
                    if time.monotonic() < asked_at + WAIT_MS / 2000:
                        time.sleep(pause_seconds)
                        pause_seconds = min(LONGEST_PAUSE_SECONDS, pause_seconds * PAUSE_GROWS_BY)
                else:
                    pause_seconds = FIRST_PAUSE_SECONDS
                    is_cancel = bool(change.get("cancelled"))
                    is_end = change.get("status") in GIVEN_UP
                    yield WorkChange(change["documentKey"]["_id"], is_cancel, is_end)


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
    given_up = {"operationType": "update", f"{updated}.status": {"$in": GIVEN_UP}}
    told = {"cancelled": f"${updated}.cancel_requested_at", "status": f"${updated}.status"}
    return [
        {"$match": {"$or": [*queued, cancelled, given_up]}},
        {"$project": {"documentKey": 1, **told}},
    ]
