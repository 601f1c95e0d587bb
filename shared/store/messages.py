"""The messages: work on its way to modules."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.database import Database

from shared.domain.actor import PLATFORM, Actor
from shared.domain.ids import MessageId, ModuleHash
from shared.domain.message import (
    CANCEL_LIFE,
    DEFAULT_PRIORITY,
    DEFAULT_TIMEOUT_SECONDS,
    OPEN,
    Message,
    MessageStatus,
    Progress,
)
from shared.store.chunks import chunks
from shared.store.errors import insert_new, insert_or_skip
from shared.store.lenient import LONG_AGO, Form, a_date, a_number
from shared.store.windows import newest_first


class Messages:
    """The `messages` collection; every change of a status is guarded by the one before."""

    # What a node has to push (`queued_at` is when it was addressed to the node), what lies in a
    # module's queue, what is to be given up or purged.
    INDEXES = (
        IndexModel([("node", ASCENDING), ("status", ASCENDING), ("queued_at", ASCENDING)]),
        IndexModel([("module_hash", ASCENDING), ("status", ASCENDING), ("created_at", ASCENDING)]),
        IndexModel([("status", ASCENDING), ("deadline_at", ASCENDING)]),
    )

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["messages"]

    @staticmethod
    def parse(document: Mapping[str, Any]) -> Message:
        """Return the message that a document is; raises KeyError, TypeError or ValueError."""
        return _to_message(document)

    def insert(self, messages: Sequence[Message], queued_at: datetime | None = None) -> int:
        """Insert the messages whose ids do not exist yet; return how many those were.

        Nodes look for what was queued lately: `queued_at`, if it is not when they were created.
        """
        documents = [_to_document(message) for message in messages]
        if queued_at is not None:
            documents = [{**document, "queued_at": queued_at} for document in documents]
        return insert_new(self._collection, documents)

    def add(self, messages: Sequence[Message]) -> frozenset[MessageId]:
        """Insert the messages whose ids do not exist yet; return the ids that did."""
        skipped = insert_or_skip(self._collection, [_to_document(m) for m in messages])
        return frozenset(messages[place].id for place in skipped)

    def get(self, message_id: MessageId) -> Message | None:
        """Return the message with this id, or None."""
        document = self._collection.find_one({"_id": message_id})
        return _FORM.read(document) if document else None

    def read(self, ids: Iterable[MessageId]) -> dict[MessageId, Message]:
        """Return those of these messages that exist."""
        return {
            message.id: message
            for part in chunks(ids)
            for message in _FORM.read_all(self._collection.find({"_id": {"$in": part}}))
        }

    def newest(
        self,
        module_hash: ModuleHash,
        now: datetime,
        *,
        statuses: Iterable[MessageStatus] = MessageStatus,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Message]:
        """Yield a module's messages, newest first, without their contents."""
        wanted = [status.value for status in statuses]

        def read(span: dict[str, Any]) -> list[Message]:
            # By equality but for the time: with $in the server reads all messages of the module.
            return [
                message
                for status in wanted
                for message in read_without_content(
                    self._collection.find(
                        {"module_hash": module_hash, "status": status, "created_at": span},
                        {"content": 0},
                    )
                )
            ]

        return newest_first(
            read, lambda message: (message.created_at, message.id), now, since, until
        )

    def everywhere(
        self, statuses: Iterable[MessageStatus], since: datetime | None = None
    ) -> list[Message]:
        """Return the messages with these statuses, made since then, without their contents."""
        # What was made since then is given up later than then, or never.
        spans: list[Any] = [{}] if since is None else [{"deadline_at": {"$gte": since}}]
        if since is not None:
            spans.append({"deadline_at": None})
        found = [
            message
            for status in statuses
            for span in spans
            for message in read_without_content(
                self._collection.find({"status": status.value, **span}, {"content": 0})
            )
        ]
        return [m for m in found if since is None or m.created_at >= since]

    def open_of(self, module_hash: ModuleHash) -> list[Message]:
        """Return the messages of a module that have not ended."""
        return [
            message
            for status in OPEN
            for message in _FORM.read_all(
                self._collection.find({"module_hash": module_hash, "status": status.value})
            )
        ]

    def request_cancel(self, ids: Iterable[MessageId], actor: Actor, now: datetime) -> int:
        """Have messages given up; return how many of them are open, and were not to be before.

        No push takes them any more, and their deadline is near from then on.
        """
        update = {
            "cancel_requested_at": now,
            "cancel_requested_by": actor,
            "deadline_at": now + CANCEL_LIFE,
        }
        still = {"status": {"$in": [status.value for status in OPEN]}, "cancel_requested_at": None}
        return sum(
            self._collection.update_many(
                {"_id": {"$in": part}, **still}, {"$set": update}
            ).matched_count
            for part in chunks(ids)
        )

    def count(self, module_hash: ModuleHash, status: MessageStatus, limit: int = 0) -> int:
        """Return how many messages of a module have this status, or the limit if there are more."""
        # By equality of both: with $in the embedded server reads all messages of the module.
        guard = {"module_hash": module_hash, "status": status.value}
        return len(list(self._collection.find(guard, {"_id": 1}).limit(limit)))

    def count_open(self, module_hash: ModuleHash) -> int:
        """Return how many messages of a module have not ended."""
        return sum(self.count(module_hash, status) for status in OPEN)


def _to_document(message: Message) -> dict[str, Any]:
    progress = message.progress
    document = {
        "_id": message.id,
        "module_hash": message.module_hash,
        "content": message.content,
        "created_at": message.created_at,
        "queued_at": message.created_at,
        "useful_until": message.useful_until,
        "deadline_at": message.deadline_at,
        "sender": message.sender,
        "status": message.status.value,
        "missionKind": message.mission_kind,
        "priority": message.priority,
        "timeout_seconds": message.timeout_seconds,
        "start_timeout_seconds": message.start_timeout_seconds,
        "attempt": message.attempt,
        "node": message.node,
        "push": message.push,
        "sent_at": message.sent_at,
        "pushed_at": message.pushed_at,
        "acked_at": message.acked_at,
        "ended_at": message.ended_at,
        "cancel_requested_at": message.cancel_requested_at,
        "cancel_requested_by": message.cancel_requested_by,
        "progress": progress_document(progress) if progress else None,
        "workflow_id": message.workflow_id,
        "execution_id": message.execution_id,
        "step": message.step,
        "retry_of": message.retry_of,
        "chosen_because": message.chosen_because,
        "fallback": list(message.fallback) or None,
    }
    # What is not known is left out: each field is paid for by every change on the embedded server.
    return {key: value for key, value in document.items() if value is not None}


def progress_document(progress: Progress) -> dict[str, Any]:
    """Return how far a module got, as it is stored."""
    return {"percent": progress.percent, "note": progress.note, "at": progress.at}


def _to_message(document: Mapping[str, Any]) -> Message:
    progress = document.get("progress")
    canceller = document.get("cancel_requested_by")
    return Message(
        id=MessageId(document["_id"]),
        module_hash=document["module_hash"],
        content=document["content"],
        created_at=a_date(document["created_at"]),
        useful_until=a_date(document["useful_until"]),
        deadline_at=document.get("deadline_at"),
        sender=Actor(document["sender"]),
        status=MessageStatus(document["status"]),
        mission_kind=document["missionKind"],
        priority=a_number(document["priority"]),
        timeout_seconds=a_number(document["timeout_seconds"]),
        start_timeout_seconds=document.get("start_timeout_seconds"),
        attempt=a_number(document["attempt"]),
        node=document.get("node"),
        push=document.get("push"),
        sent_at=document.get("sent_at"),
        pushed_at=document.get("pushed_at"),
        acked_at=document.get("acked_at"),
        ended_at=document.get("ended_at"),
        cancel_requested_at=document.get("cancel_requested_at"),
        cancel_requested_by=Actor(canceller) if canceller else None,
        progress=Progress(**progress) if progress else None,
        workflow_id=document.get("workflow_id"),
        execution_id=document.get("execution_id"),
        step=document.get("step"),
        retry_of=document.get("retry_of"),
        chosen_because=document.get("chosen_because"),
        fallback=tuple(document.get("fallback") or ()),
    )


_FORM = Form(
    collection="messages",
    parse=_to_message,
    fallbacks={
        "content": "null",
        "created_at": LONG_AGO,
        "useful_until": LONG_AGO,
        "sender": PLATFORM,
        # An unknown status is a newer release's: this one must neither push nor end it.
        "status": MessageStatus.DEAD,
        "missionKind": "",
        "priority": DEFAULT_PRIORITY,
        "timeout_seconds": DEFAULT_TIMEOUT_SECONDS,
        "attempt": 0,
        "progress": {"percent": None, "note": "", "at": LONG_AGO},
    },
)


def read_without_content(documents: Iterable[Mapping[str, Any]]) -> Iterator[Message]:
    """Yield the messages of documents that were read without their contents."""
    return _FORM.read_all({"content": "", **document} for document in documents)
