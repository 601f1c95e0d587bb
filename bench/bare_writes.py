"""The limit of dispatch: the writes of messages' lives, in the platform's own batches, nothing else."""

import math
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle, islice
from typing import Any, Self, TypeVar

import orjson

from bench.work_load import MESSAGE, RESULT
from shared.clock import utc_now
from shared.domain.actor import PLATFORM
from shared.domain.ids import MessageId, ModuleHash, NodeId
from shared.domain.message import DEFAULT_LIFE, Message, MessageStatus
from shared.domain.result import Result, ResultStatus
from shared.store import Store
from shared.store.chunks import IDS_PER_CALL

Item = TypeVar("Item")
BATCH_FIELDS = ("created_at", "push", "ended_at")
BARE_NODE = NodeId("bare:1:1")
NEXT = {MessageStatus.SENT: MessageStatus.QUEUED, MessageStatus.SUCCEEDED: MessageStatus.SENT}


@dataclass(frozen=True, kw_only=True)
class BatchSizes:
    """How many documents the platform wrote in one call, on average."""

    inserted: float
    marked: float
    results: float
    finished: float

    @classmethod
    def read(cls, store: Store, since: datetime) -> Self:
        """Return those of the messages that were accepted since then.

        What was accepted, pushed or ended in one batch has that batch's time or name.
        """
        query = {"created_at": {"$gte": since}}
        accepted, pushed, ended = Counter[Any](), Counter[Any](), Counter[Any]()
        for document in store.messages._collection.find(query, dict.fromkeys(BATCH_FIELDS, 1)):
            for batches, name in zip((accepted, pushed, ended), BATCH_FIELDS, strict=True):
                batches[document[name]] += 1
        count = accepted.total()
        return cls(
            inserted=count / len(accepted),
            marked=count / _count_calls(pushed),
            results=count / len(ended),
            finished=count / _count_calls(ended),
        )


def _count_calls(batches: Counter[Any]) -> int:
    """Return in how many calls these batches are updated by ids."""
    return sum(math.ceil(size / IDS_PER_CALL) for size in batches.values())


def split(items: Sequence[Item], size: float) -> Iterator[Sequence[Item]]:
    """Yield the items in parts that have this size on average."""
    for part in range(math.ceil(len(items) / size)):
        yield items[round(part * size) : round((part + 1) * size)]


def make_messages(hashes: Sequence[ModuleHash], count: int) -> list[Message]:
    """Return messages for these modules in turn, as an operator sends them."""
    now = utc_now()
    until = now + DEFAULT_LIFE
    return [
        Message(
            id=MessageId(uuid.uuid4().hex),
            module_hash=module_hash,
            content=MESSAGE,
            created_at=now,
            useful_until=until,
            deadline_at=until,
            sender=PLATFORM,
            node=BARE_NODE,
        )
        for module_hash in islice(cycle(hashes), count)
    ]


def write_bare(store: Store, messages: Sequence[Message], sizes: BatchSizes) -> float:
    """Write the lives of these messages, stage after stage; return the seconds."""
    started = time.monotonic()
    for part in split(messages, sizes.inserted):
        assert store.messages.insert(part) == len(part)
    _update(store, messages, MessageStatus.SENT, sizes.marked)
    for part in split(messages, sizes.results):
        assert store.results.insert([_make_result(message) for message in part]) == len(part)
    _update(store, messages, MessageStatus.SUCCEEDED, sizes.finished)
    return time.monotonic() - started


def _update(
    store: Store, messages: Sequence[Message], status: MessageStatus, at_once: float
) -> None:
    now = utc_now()
    for part in split([message.id for message in messages], at_once):
        guard = {"_id": {"$in": part}, "status": NEXT[status].value}
        changes = {"$set": {"status": status.value, "sent_at": now, "deadline_at": now}}
        updated = store.messages._collection.update_many(guard, changes)
        assert updated.modified_count == len(part)


def _make_result(message: Message) -> Result:
    return Result(
        message_id=message.id,
        module_hash=message.module_hash,
        at=utc_now(),
        status=ResultStatus.SUCCESS,
        content=orjson.dumps(RESULT).decode(),
        is_by_module=True,
        attempt=1,
        sent_at=message.created_at,
    )
