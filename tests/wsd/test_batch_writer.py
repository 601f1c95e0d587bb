"""Batches: as large as the database can take in time, and one at a time."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from pymongo.errors import AutoReconnect

from shared.store import Store
from wsd import batch_writer
from wsd.batch_writer import FIRST_OPERATIONS, MAX_OPERATIONS, MIN_OPERATIONS, BatchWriter
from wsd.database import Database
from wsd.metrics import Metrics


class Numbers:
    """A source of numbers; each takes the database so long, unless it is away."""

    def __init__(self, count: int) -> None:
        self.waiting = list(range(count))
        self.now = 1000.0
        self.seconds_each = 0.0
        self.is_away = False
        self.refused: set[int] = set()
        self.away_after = 10**6
        self.sizes: list[int] = []
        self.written: list[int] = []
        self.failed: list[int] = []
        self.dropped: list[int] = []

    def count_waiting(self) -> int:
        return len(self.waiting)

    def take(self, limit: int) -> list[int] | None:
        batch, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return batch or None

    def size_of(self, batch: list[int]) -> int:
        return len(batch)

    def write(self, batch: list[int]) -> list[int]:
        self.sizes.append(len(batch))
        self.now += len(batch) * self.seconds_each
        if self.is_away or len(self.sizes) > self.away_after:
            raise AutoReconnect("away")
        if self.refused.intersection(batch):
            raise OverflowError("no such numbers")
        return batch

    def settle(self, batch: list[int], result: list[int]) -> None:
        self.written += result

    def fail(self, batch: list[int]) -> None:
        self.failed += batch

    def split(self, batch: list[int]) -> list[list[int]]:
        return [[number] for number in batch]

    def drop(self, batch: list[int], error: Exception) -> None:
        self.dropped += batch


Maker = Callable[[Numbers], BatchWriter]


@pytest.fixture
def make(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Maker]:
    monkeypatch.setattr(batch_writer, "PAUSE_AFTER_FAILURE_SECONDS", 0)
    database = Database(store, threads=1, name="batches")
    yield lambda numbers: BatchWriter(database, numbers, Metrics(), lambda: numbers.now)
    database.close()


async def write_all(writer: BatchWriter, numbers: Numbers) -> list[int]:
    """Write what waits; return the sizes of the batches."""
    numbers.sizes.clear()
    while numbers.waiting:
        await writer.write_one_batch()
    return numbers.sizes


async def test_batches_grow_while_the_database_is_fast(make: Maker) -> None:
    numbers = Numbers(2000)
    sizes = await write_all(make(numbers), numbers)
    assert sizes[:3] == [FIRST_OPERATIONS, FIRST_OPERATIONS * 2, FIRST_OPERATIONS * 4]
    assert max(sizes) == MAX_OPERATIONS
    assert numbers.written == list(range(2000))


@pytest.mark.parametrize("seconds_each", [0.017, 0.055, 0.155, 0.3])
async def test_no_batch_takes_as_long_as_its_time_out_on_a_slow_disk(
    make: Maker, seconds_each: float
) -> None:
    numbers = Numbers(1000)
    numbers.seconds_each = seconds_each
    sizes = await write_all(make(numbers), numbers)
    assert max(sizes) * seconds_each < 5
    assert len(sizes) * seconds_each < 1000 * seconds_each / 3  # their own cost is spread


async def test_batches_shrink_when_the_database_slows_down(make: Maker) -> None:
    numbers = Numbers(2000)
    writer = make(numbers)
    await write_all(writer, numbers)
    numbers.waiting, numbers.seconds_each = list(range(1000)), 0.006
    assert (await write_all(writer, numbers))[:3] == [MAX_OPERATIONS, MAX_OPERATIONS // 2, 250]


async def test_what_the_database_could_take_is_forgotten_in_quiet_times(make: Maker) -> None:
    numbers = Numbers(2000)
    writer = make(numbers)
    await write_all(writer, numbers)
    numbers.now += batch_writer.PROVEN_SECONDS + 1
    numbers.waiting = list(range(100))
    assert (await write_all(writer, numbers))[0] == FIRST_OPERATIONS


async def test_a_failed_batch_is_handed_back_and_the_next_is_half_as_large(make: Maker) -> None:
    numbers = Numbers(100)
    writer = make(numbers)
    numbers.is_away = True
    await writer.write_one_batch()
    assert numbers.failed == list(range(FIRST_OPERATIONS))
    for _ in range(9):
        numbers.waiting = list(range(100))
        await writer.write_one_batch()
    assert numbers.sizes[:2] == [FIRST_OPERATIONS, FIRST_OPERATIONS // 2]
    assert numbers.sizes[-1] == MIN_OPERATIONS


async def test_what_the_database_refuses_for_good_is_dropped_and_the_rest_is_written(
    make: Maker,
) -> None:
    numbers = Numbers(6)
    numbers.refused = {2, 4}
    writer = make(numbers)
    await writer.write_one_batch()
    assert (numbers.dropped, numbers.written, numbers.failed) == ([2, 4], [0, 1, 3, 5], [])
    assert not writer.refuses_new_work


async def test_an_outage_while_a_refused_batch_is_written_one_by_one_hands_the_rest_back(
    make: Maker,
) -> None:
    numbers = Numbers(6)
    numbers.refused, numbers.away_after = {0}, 3
    await make(numbers).write_one_batch()
    assert (numbers.dropped, numbers.written, numbers.failed) == ([0], [1], [2, 3, 4, 5])
    assert numbers.sizes == [6, 1, 1, 1]


async def test_new_work_is_refused_until_the_pause_after_a_failure_is_over(
    make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = Numbers(1)
    writer = make(numbers)
    numbers.is_away = True
    monkeypatch.setattr(batch_writer, "PAUSE_AFTER_FAILURE_SECONDS", 0.01)
    await writer.write_one_batch()
    assert writer.refuses_new_work
    numbers.now += 0.02
    assert not writer.refuses_new_work


async def test_a_writer_that_is_stopped_writes_what_still_waits(make: Maker) -> None:
    numbers = Numbers(0)
    writer = make(numbers)
    running = asyncio.create_task(writer.run())
    await asyncio.sleep(0)
    numbers.waiting = list(range(40))
    writer.stop()
    async with asyncio.timeout(5):
        await running
    assert numbers.written == list(range(40))
