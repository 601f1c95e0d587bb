"""Messages on their way to modules: what nodes look for and change, in groups."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, UpdateOne
from pymongo.database import Database

from shared.domain.delivery import Outgoing, Push, Tried
from shared.domain.ids import MessageId, ModuleHash, NodeId
from shared.domain.message import OPEN, Message, MessageStatus, Told
from shared.store.chunks import chunks
from shared.store.index_first import find_by_index
from shared.store.lenient import LONG_AGO
from shared.store.messages import progress_document, read_without_content

QUEUED, SENT, ACKED = (
    MessageStatus.QUEUED.value,
    MessageStatus.SENT.value,
    MessageStatus.ACKED.value,
)
NO_CONTENT = {"content": 0}
# More modules are found by reading what is queued for any, unless that is a lot: so many documents
# are read in the time of one question.
ASKED_ONE_BY_ONE = 20
READ_INSTEAD_OF_ASKING = 10
FOUND_AT_ONCE = 1000


class Deliveries:
    """The `messages` collection as nodes see it; every change of a status is guarded."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["messages"]

    # Looking.

    def queued_lately(self, node: NodeId, since: datetime) -> list[Message]:
        """Return what was addressed to this node id since then: the first of it, oldest first."""
        query = {"node": node, "status": QUEUED, "queued_at": {"$gte": since}}
        found = self._collection.find(query, NO_CONTENT).sort("queued_at", ASCENDING)
        return list(read_without_content(found.limit(FOUND_AT_ONCE)))

    def queued_among(self, ids: Iterable[MessageId]) -> list[Message]:
        """Return those of these messages that are queued."""
        read = self.read(ids).values()
        return [message for message in read if message.status is MessageStatus.QUEUED]

    def queued_for(self, hashes: Collection[ModuleHash]) -> list[Message]:
        """Return everything that waits for these modules, whatever node it is addressed to."""
        if len(hashes) > ASKED_ONE_BY_ONE:
            # A list of modules would have the embedded server scan the collection.
            bound = READ_INSTEAD_OF_ASKING * len(hashes)
            queued = self._collection.find({"status": QUEUED}, {"module_hash": 1})
            waiting, wanted = list(queued.limit(bound)), set(hashes)
            if len(waiting) < bound:
                return self.queued_among(d["_id"] for d in waiting if d["module_hash"] in wanted)
        return [
            message
            for module_hash in hashes
            for message in read_without_content(
                self._collection.find({"module_hash": module_hash, "status": QUEUED}, NO_CONTENT)
            )
        ]

    def read(self, ids: Iterable[MessageId]) -> dict[MessageId, Message]:
        """Return those of these messages that exist, without their contents."""
        return {
            message.id: message
            for part in chunks(ids)
            for message in read_without_content(
                self._collection.find({"_id": {"$in": part}}, NO_CONTENT)
            )
        }

    def statuses(self, ids: Iterable[MessageId]) -> dict[MessageId, MessageStatus]:
        """Return the statuses of those of these messages that have not ended."""
        return {
            document["_id"]: MessageStatus(document["status"])
            for part in chunks(ids)
            for document in self._collection.find({"_id": {"$in": part}}, {"status": 1})
            if document["status"] in (QUEUED, SENT, ACKED)
        }

    def to_be_cancelled(self, until: datetime) -> list[Message]:
        """Return what modules have and an operator wants to be given up: it is over by then."""
        return [
            message
            for status in (SENT, ACKED)
            for message in read_without_content(
                find_by_index(
                    self._collection,
                    {"status": status, "deadline_at": {"$gt": LONG_AGO, "$lte": until}},
                    {"cancel_requested_at": {"$gt": LONG_AGO}},
                    fields=NO_CONTENT,
                )
            )
        ]

    def sent_by(self, node: NodeId, limit: int) -> list[Message]:
        """Return what a node has sent that no module acknowledged or must acknowledge."""
        # What need not be acknowledged is no node's any more.
        query = {"node": node, "status": SENT}
        return list(read_without_content(self._collection.find(query, NO_CONTENT).limit(limit)))

    def of_nodes_not_among(self, nodes: Sequence[NodeId], limit: int) -> list[Message]:
        """Return what is queued for, or was sent by, other nodes than these."""
        # With a deadline: what an earlier client was sent waits for nothing.
        elsewhere = {"node": {"$nin": [*nodes, None]}, "pushed_at": None}
        return [
            message
            for status in (QUEUED, SENT)
            for message in read_without_content(
                find_by_index(
                    self._collection,
                    {"status": status, "deadline_at": {"$gt": LONG_AGO}},
                    elsewhere,
                    fields=NO_CONTENT,
                    limit=limit,
                )
            )
        ]

    # Changing.

    def mark_sent(self, pushes: Sequence[Push], node: NodeId, push: str, now: datetime) -> None:
        """Record an attempt of each message that is still where it was, in the name of this push."""
        groups: dict[Any, list[MessageId]] = defaultdict(list)
        for one in pushes:
            groups[(*one.guard, one.deadline(now))].append(one.message.id)
        for (status, attempt, deadline), ids in groups.items():
            # What an operator cancelled while a session had it is not begun by the next.
            guard: dict[str, Any] = {"status": status.value, "cancel_requested_at": None}
            if attempt is not None:
                guard["attempt"] = attempt
            change = {"status": SENT, "node": node, "push": push, "sent_at": now}
            change["deadline_at"] = deadline
            if status == SENT:  # to an earlier client, perhaps, that has said hello since
                change["pushed_at"] = None
            update = {"$set": change, "$inc": {"attempt": 1}}
            for part in chunks(ids):
                self._collection.update_many({"_id": {"$in": part}, **guard}, update)

    def read_sent(self, ids: Iterable[MessageId], push: str) -> list[Outgoing]:
        """Return the messages of which this push has recorded the attempt, with their contents."""
        fields = {"module_hash": 1, "attempt": 1, "content": 1, "sent_at": 1, "push": 1}
        return [
            Outgoing(
                id=document["_id"],
                module_hash=document["module_hash"],
                attempt=document["attempt"],
                content=document["content"],
                sent_at=document["sent_at"],
            )
            for part in chunks(ids)
            for document in self._collection.find({"_id": {"$in": part}, "status": SENT}, fields)
            if document.get("push") == push
        ]

    def acknowledge(self, tried: Iterable[Tried], now: datetime) -> None:
        """Note that modules have received these attempts."""
        tried, late = list(tried), defaultdict(list)
        for one in tried:
            if one.timeout_seconds is not None:
                late[one.timeout_seconds].append(one)
        for seconds, these in late.items():
            # Unless it has one: a cancel gives it a near deadline.
            deadline = {"deadline_at": now + timedelta(seconds=seconds)}
            self._change(these, SENT, deadline, {"deadline_at": None})
        self._change(tried, SENT, {"status": ACKED, "acked_at": now})

    def note_pushed(self, tried: Iterable[Tried], now: datetime, *, is_owed: bool) -> None:
        """Note that clients were sent this that do not acknowledge: no node looks at it any more.

        Unless its execution waits for it (`is_owed`), nothing gives it up.
        """
        change: dict[str, Any] = {"pushed_at": now, "node": None}
        self._change(tried, SENT, change if is_owed else change | {"deadline_at": None})

    def requeue(self, tried: Iterable[Tried], now: datetime) -> None:
        """Put attempts back into the queue that no module acknowledged; no node has them then."""
        for attempt, ids in _by_attempt(tried):
            self._take_back(ids, {"attempt": attempt}, {"node": None, "queued_at": now})

    def take_back(self, ids: Iterable[MessageId], push: str, now: datetime) -> None:
        """Put back into the queue what a push has marked, if it has; its node keeps it."""
        self._take_back(ids, {"push": push}, {"queued_at": now})

    def _take_back(
        self, ids: Iterable[MessageId], guard: Mapping[str, Any], change: Mapping[str, Any]
    ) -> None:
        """Queue again what is not to be given up; it waits as long as it is useful."""
        life = {"deadline_at": "$useful_until", "pushed_at": None}
        update = [{"$set": {"status": QUEUED, **life, **change}}]
        guard = {"status": SENT, "cancel_requested_at": None, **guard}
        for part in chunks(ids):
            self._collection.update_many({"_id": {"$in": part}, **guard}, update)

    def address(self, ids: Iterable[MessageId], node: NodeId | None, now: datetime) -> None:
        """Tell which node holds the sessions of the modules that these wait for."""
        for part in chunks(ids):
            self._collection.update_many(
                {"_id": {"$in": part}, "status": QUEUED},
                {"$set": {"node": node, "queued_at": now}},
            )

    def note_progress(self, told: Iterable[Told]) -> None:
        """Note how far modules got with their own work, while it is open."""
        updates = [
            UpdateOne(
                {
                    "_id": one.message_id,
                    "module_hash": one.module_hash,
                    "status": {"$in": [SENT, ACKED]},
                },
                {"$set": {"progress": progress_document(one.progress)}},
            )
            for one in told
        ]
        if updates:
            self._collection.bulk_write(updates, ordered=False)

    def finish(self, ids: Iterable[MessageId], status: MessageStatus, now: datetime) -> None:
        """End messages whose results are stored."""
        open_ones = [one.value for one in OPEN]
        for part in chunks(ids):
            self._collection.update_many(
                {"_id": {"$in": part}, "status": {"$in": open_ones}},
                {"$set": {"status": status.value, "ended_at": now}},
            )

    def _change(
        self,
        tried: Iterable[Tried],
        status: str,
        change: Mapping[str, Any],
        besides: Mapping[str, Any] | None = None,
    ) -> None:
        for attempt, ids in _by_attempt(tried):
            guard = {"status": status, "attempt": attempt, **(besides or {})}
            for part in chunks(ids):
                self._collection.update_many(
                    {"_id": {"$in": part}, **guard}, {"$set": dict(change)}
                )


def _by_attempt(tried: Iterable[Tried]) -> Iterable[tuple[int, list[MessageId]]]:
    found: dict[int, list[MessageId]] = defaultdict(list)
    for one in tried:
        found[one.attempt].append(one.id)
    return found.items()
