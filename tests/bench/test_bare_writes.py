"""The bare writes are made in the platform's batches."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bench.bare_writes import BatchSizes, make_messages, split, write_bare
from shared.clock import utc_now
from shared.domain.ids import ModuleHash
from shared.domain.message import MessageStatus
from shared.store import Store
from shared.store.chunks import IDS_PER_CALL

HASHES = [ModuleHash("a" * 64), ModuleHash("b" * 64)]
SIZES = BatchSizes(inserted=2.5, marked=10, results=3, finished=7)


@pytest.mark.parametrize("size", [1, 1.5, 2.75, 40])
def test_parts_have_the_size_on_average_and_leave_nothing_out(size: float) -> None:
    parts = list(split(range(1000), size))
    assert [number for part in parts for number in part] == list(range(1000))
    assert 1000 / len(parts) == pytest.approx(size, rel=0.01)


def test_the_bare_writes_bring_messages_to_their_end(store: Store) -> None:
    messages = make_messages(HASHES, 20)
    assert write_bare(store, messages, SIZES) > 0
    ids = [message.id for message in messages]
    ended = store.messages.read(ids).values()
    assert {message.status for message in ended} == {MessageStatus.SUCCEEDED}
    assert len(store.results.read(ids)) == 20


def insert_ended(store: Store, batches: Sequence[int], first: datetime) -> None:
    """Store messages as batches of these sizes leave them."""
    for number, size in enumerate(batches):
        at = first + timedelta(milliseconds=number)
        ended = [
            replace(message, created_at=at, push=f"{at}", ended_at=at)
            for message in make_messages(HASHES, size)
        ]
        store.messages.insert(ended)


def test_the_sizes_are_read_off_what_the_platform_has_accepted_since(store: Store) -> None:
    since = utc_now()
    insert_ended(store, [1] * 5, since - timedelta(minutes=1))
    insert_ended(store, [IDS_PER_CALL + 10, 20], since)
    messages = IDS_PER_CALL + 30
    # Updates by ids are split: the first batch takes two calls.
    inserted, updated = messages / 2, messages / 3
    sizes = BatchSizes(inserted=inserted, marked=updated, results=inserted, finished=updated)
    assert BatchSizes.read(store, since) == sizes
