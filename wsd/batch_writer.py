"""Batches: one in flight at a time, of a size that the database can keep up with."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from shared.store.errors import is_away
from wsd.database import Database
from wsd.metrics import Metrics

MAX_OPERATIONS = 500
# A batch this small ends in time on any disk; a fast one is found out within five more batches.
FIRST_OPERATIONS = 16
MIN_OPERATIONS = 4
BATCH_WAIT_SECONDS = 0.010
# After a slower batch the limit is halved; while full batches are faster, it is doubled.
SLOW_SECONDS = 2.0
FAST_SECONDS = 1.0
# What full batches proved about the disk holds for so long.
PROVEN_SECONDS = 30.0
PAUSE_AFTER_FAILURE_SECONDS = 1.0

B = TypeVar("B")
R = TypeVar("R")

log = logging.getLogger(__name__)


class BatchSource(Protocol[B, R]):
    """What is written: the queue that batches are taken from, and what becomes of them."""

    def count_waiting(self) -> int:
        """Return how many operations could go into the next batch."""
        ...

    def take(self, limit: int) -> B | None:
        """Take a batch of at most this many operations from the queue; None when none is left."""
        ...

    def size_of(self, batch: B) -> int:
        """Return the number of operations in a batch."""
        ...

    def write(self, batch: B) -> R:
        """Write a batch (called in a thread); raises driver errors."""
        ...

    def settle(self, batch: B, result: R) -> None:
        """Act on what became of a batch."""
        ...

    def fail(self, batch: B) -> None:
        """Act on a batch that may have been written or not; queue what repairs it."""
        ...

    def split(self, batch: B) -> list[B]:
        """Return the operations of a batch as batches of one."""
        ...

    def drop(self, batch: B, error: Exception) -> None:
        """Give up a batch of one that the database refuses for good."""
        ...


class BatchWriter(Generic[B, R]):
    """Writes what a source has waiting; pauses after a failure."""

    def __init__(
        self,
        database: Database,
        source: BatchSource[B, R],
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._database = database
        self._source = source
        self._metrics = metrics
        self._work = asyncio.Event()
        self._limit = FIRST_OPERATIONS
        self._proven_at = float("-inf")
        self._is_stopping = False
        self._is_failing = False
        self._is_writing = False
        self._paused_until = 0.0

    @property
    def refuses_new_work(self) -> bool:
        """Return whether the writer is to end, or the database failed and no attempt is due.

        A due attempt goes alone.
        """
        if self._is_stopping or not self._is_failing:
            return self._is_stopping
        return self._is_writing or self._monotonic() < self._paused_until

    def notify(self) -> None:
        """Tell the writer that something waits."""
        self._work.set()

    def stop(self) -> None:
        """Have `run` end when nothing waits any more."""
        self._is_stopping = True
        self._work.set()

    async def run(self) -> None:
        """Write batch after batch until stopped, and then what still waits."""
        while not self._is_stopping or self._source.count_waiting():
            await self._work.wait()
            # A full batch goes at once: the database works while those of the last are answered.
            if not self._is_stopping and self._source.count_waiting() < self._limit:
                await asyncio.sleep(BATCH_WAIT_SECONDS)
            self._work.clear()
            await self.write_one_batch()

    async def write_one_batch(self) -> None:
        """Write what waits, up to the limit."""
        started = self._monotonic()
        if started - self._proven_at > PROVEN_SECONDS:
            self._limit = min(self._limit, FIRST_OPERATIONS)
        batch = self._source.take(self._limit)
        if batch is None:
            return
        self._is_writing = True
        if await self._write(batch) is not None:
            await self._write_one_by_one(batch)
        elif not self._is_failing:
            self._adapt(batch, self._monotonic() - started)
        self._is_writing = False
        if self._is_failing:
            await self._pause(batch)
        if self._source.count_waiting():
            self._work.set()

    async def _write(self, batch: B) -> Exception | None:
        """Write a batch, settled or failed afterwards; return the error of one refused for good."""
        try:
            result = await self._database.run(self._source.write, batch)
        except Exception as error:
            if not is_away(error):
                log.exception("the database refused a batch")
                self._is_failing = False
                return error
            self._is_failing = True
            fields = {"error": type(error).__name__}
            log.warning("the database did not take a batch", extra=fields)
            self._source.fail(batch)
        else:
            self._is_failing = False
            self._source.settle(batch, result)
        return None

    async def _write_one_by_one(self, batch: B) -> None:
        """Write a batch that was refused for good without the operations that are to blame."""
        for part in self._source.split(batch):
            if self._is_failing:
                self._source.fail(part)
            elif (error := await self._write(part)) is not None:
                self._source.drop(part, error)

    async def _pause(self, batch: B) -> None:
        """Leave the database alone for a moment; the next batch is half as large."""
        self._limit = max(MIN_OPERATIONS, min(self._limit, self._source.size_of(batch)) // 2)
        self._paused_until = self._monotonic() + PAUSE_AFTER_FAILURE_SECONDS
        await asyncio.sleep(PAUSE_AFTER_FAILURE_SECONDS)

    def _adapt(self, batch: B, seconds: float) -> None:
        """Halve the limit after a slow batch, double it after a fast one that was full."""
        size = self._source.size_of(batch)
        if seconds > SLOW_SECONDS:
            self._limit = max(MIN_OPERATIONS, min(self._limit, size) // 2)
        elif size >= self._limit:
            self._proven_at = self._monotonic()
            if seconds < FAST_SECONDS:
                self._limit = min(MAX_OPERATIONS, self._limit * 2)
        self._metrics.batch_size = size
        self._metrics.batch_limit = self._limit
        self._metrics.batch_seconds = seconds
