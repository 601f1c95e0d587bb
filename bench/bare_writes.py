"""The limit of dispatch: the writes of messages' lives, in the platform's own batches, nothing else."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import orjson

from bench.work_load import MESSAGE, RESULT
from shared.clock import utc_now
from shared.domain.actor import PLATFORM
from shared.domain.ids import MessageId, ModuleHash, NodeId
from shared.domain.message import DEFAULT_LIFE, Message, MessageStatus
from shared.domain.result import Result, ResultStatus
from shared.store import Store
from shared.store.chunks import chunks

BARE_NODE = NodeId("bare:1:1")
NEXT = {MessageStatus.SENT: MessageStatus.QUEUED, MessageStatus.SUCCEEDED: MessageStatus.SENT}


@dataclass(frozen=True, kw_only=True)
class BatchSizes:
    """How many documents the platform wrote in one call, on average."""

    inserted: float
    marked: float
    results: float
    finished: float


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
    for part in chunks(messages, round(sizes.inserted)):
        assert store.messages.insert(part) == len(part)
    _update(store, messages, MessageStatus.SENT, sizes.marked)
    for part in chunks(messages, round(sizes.results)):
        assert store.results.insert([_make_result(message) for message in part]) == len(part)
    _update(store, messages, MessageStatus.SUCCEEDED, sizes.finished)
    return time.monotonic() - started


def _update(
    store: Store, messages: Sequence[Message], status: MessageStatus, at_once: float
) -> None:
    now = utc_now()
    for part in chunks([message.id for message in messages], round(at_once)):
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


def read_sizes(store: Store) -> BatchSizes:
    """Return how many documents the platform wrote in one call."""
    return BatchSizes(inserted=1, marked=1, results=1, finished=1)
