"""The messages by their deadlines, as the worker looks for what is to be given up, or mended."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING
from pymongo.database import Database

from shared.domain.actor import Actor
from shared.domain.ids import MessageId
from shared.domain.message import CANCEL_LIFE, OPEN, Message, MessageStatus
from shared.store.chunks import chunks, delete_found, delete_some
from shared.store.index_first import find_by_index
from shared.store.lenient import LONG_AGO
from shared.store.messages import read_without_content

NO_CONTENT = {"content": 0}
PUSHED = (MessageStatus.SENT, MessageStatus.ACKED)
_FINAL = [status.value for status in MessageStatus if status not in OPEN]


class MessageDeadlines:
    """The `messages` collection as ranges of its index (status, deadline_at)."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["messages"]

    def overdue(self, now: datetime, limit: int) -> list[Message]:
        """Return open messages whose deadline has passed, so many of each status."""
        return [
            message
            for status in OPEN
            for message in read_without_content(
                self._collection.find(
                    {"status": status.value, "deadline_at": {"$gt": LONG_AGO, "$lte": now}},
                    NO_CONTENT,
                ).limit(limit)
            )
        ]

    def overdue_among(self, ids: Iterable[MessageId], now: datetime) -> list[Message]:
        """Return those of these messages that are open though their deadline has passed."""
        return [
            message
            for part in chunks(ids)
            for message in read_without_content(
                self._collection.find({"_id": {"$in": part}}, NO_CONTENT)
            )
            if message.status in OPEN and message.deadline_at and message.deadline_at <= now
        ]

    def after(
        self, statuses: Sequence[MessageStatus], deadline: datetime, limit: int
    ) -> list[Message]:
        """Return so many messages in these states, those whose deadlines come next after this."""
        found = [
            message
            for status in statuses
            for message in read_without_content(
                self._collection.find(
                    {"status": status.value, "deadline_at": {"$gt": deadline}}, NO_CONTENT
                )
                .sort("deadline_at", ASCENDING)
                .limit(limit)
            )
        ]
        return sorted(found, key=lambda message: message.deadline_at or LONG_AGO)[:limit]

    def request_cancel(self, ids: Iterable[MessageId], actor: Actor, now: datetime) -> None:
        """Ask the modules to give messages up that they have; the deadline is near from then on."""
        update = {
            "cancel_requested_at": now,
            "cancel_requested_by": actor,
            "deadline_at": now + CANCEL_LIFE,
        }
        pushed = {"$in": [status.value for status in PUSHED]}
        for part in chunks(ids):
            guard = {"_id": {"$in": part}, "status": pushed, "cancel_requested_at": None}
            self._collection.update_many(guard, {"$set": update})

    def purge(self, before: datetime, limit: int) -> int:
        """Delete a slice of the ended messages whose deadline was before this; count them."""
        return sum(
            delete_some(
                self._collection,
                {"status": status, "deadline_at": {"$gt": LONG_AGO, "$lt": before}},
                limit,
            )
            for status in _FINAL
        )

    def purge_without_deadline(self, before: datetime, limit: int) -> int:
        """Delete a slice of the messages to clients that acknowledge nothing; count them.

        What was acknowledged has a deadline; without one, nothing else would delete it.
        """
        statuses = [*(status.value for status in PUSHED), *_FINAL]
        return sum(
            delete_found(
                self._collection,
                find_by_index(
                    self._collection,
                    {"status": status, "deadline_at": None},
                    {"created_at": {"$lt": before}},
                    fields={"_id": 1},
                    limit=limit,
                ),
            )
            for status in statuses
        )
