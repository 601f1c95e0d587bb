"""The messages by their deadlines, as the worker looks for what is to be given up, or mended."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING
from pymongo.database import Database

from shared.domain.message import OPEN, PUSHED, Message, MessageStatus
from shared.store.chunks import delete_found, delete_some
from shared.store.index_first import find_by_index
from shared.store.lenient import LONG_AGO
from shared.store.messages import read_without_content

NO_CONTENT = {"content": 0}
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

    def after(
        self, statuses: Sequence[MessageStatus], deadline: datetime | None, limit: int
    ) -> list[Message]:
        """Return so many messages in these states, those whose deadlines come next after this, or first.

        A last deadline that several share is read to its end: the next slice begins after it.
        """
        found = [
            message
            for status in statuses
            for message in self._read(
                {"status": status.value, "deadline_at": {"$gt": deadline or LONG_AGO}}, limit
            )
        ]
        found = sorted(found, key=lambda message: message.deadline_at or LONG_AGO)[:limit]
        if len(found) < limit:
            return found
        last = found[-1].deadline_at
        before = [message for message in found if message.deadline_at != last]
        shared = [{"status": status.value, "deadline_at": last} for status in statuses]
        return [*before, *(message for query in shared for message in self._read(query, 0))]

    def _read(self, query: dict[str, Any], limit: int) -> list[Message]:
        cursor = self._collection.find(query, NO_CONTENT).sort("deadline_at", ASCENDING)
        return list(read_without_content(cursor.limit(limit)))

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
