"""The bound of a module's queue holds, and is not counted for every message."""

import pytest

from shared.domain.ids import ModuleHash
from shared.domain.message import QUEUE_MAX, MessageStatus
from shared.services.queue_room import COUNT_SECONDS, FULL_SECONDS, QueueRoom
from shared.store import Store
from tests.support.builders import NOON, make_message
from tests.support.steady_clock import Clock

A = ModuleHash("a" * 64)


@pytest.fixture
def room(clock: Clock) -> QueueRoom:
    return QueueRoom(clock)


def fill(store: Store, count: int, start: int = 0, **overrides: object) -> None:
    store.messages.insert(
        [make_message(id=f"m{n}", module_hash=A, **overrides) for n in range(start, start + count)]
    )


def test_there_is_room_up_to_the_bound(store: Store, room: QueueRoom) -> None:
    fill(store, QUEUE_MAX - 2)
    assert room.take(store, A, 3) == 2


def test_only_what_waits_takes_room(store: Store, room: QueueRoom) -> None:
    fill(store, QUEUE_MAX, status=MessageStatus.ACKED)
    assert room.take(store, A, 1) == 1


def test_a_full_queue_is_believed_to_be_full_for_a_second(
    store: Store, room: QueueRoom, clock: Clock
) -> None:
    fill(store, QUEUE_MAX)
    assert room.take(store, A, 1) == 0
    store.deliveries.finish([f"m{n}" for n in range(10)], MessageStatus.CANCELLED, NOON)
    assert room.take(store, A, 1) == 0
    clock.seconds += FULL_SECONDS
    assert room.take(store, A, 1) == 1


def test_four_processes_never_fill_it_beyond_the_bound(store: Store, clock: Clock) -> None:
    rooms = [QueueRoom(clock) for _ in range(4)]
    sent = 0
    for turn in range(2 * QUEUE_MAX):
        if rooms[turn % 4].take(store, A, 1):
            fill(store, 1, start=sent)
            sent += 1
    assert sent == QUEUE_MAX


def test_a_queue_is_counted_seldom(
    store: Store, room: QueueRoom, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []
    count = store.messages.count
    monkeypatch.setattr(store.messages, "count", lambda *a: counted.append(a) or count(*a))
    for _ in range(200):
        assert room.take(store, A, 1) == 1
    assert len(counted) == 1
    clock.seconds += COUNT_SECONDS
    room.take(store, A, 1)
    assert len(counted) == 2
