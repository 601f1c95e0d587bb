"""Connects and disconnects, written to the database in batches: one in flight at a time."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from shared.clock import utc_now
from shared.domain.module import ModuleHash, OfflineReason
from shared.domain.session import Claim, ClaimOutcome, SessionEnd, Verdict
from shared.errors import DatabaseUnavailable
from shared.services.liveness import NodeView, write_batch
from shared.store import DatabaseError, Store
from wsd.bridge import Bridge

BATCH_MAX_OPERATIONS = 500
BATCH_WAIT_SECONDS = 0.010
PAUSE_AFTER_FAILURE_SECONDS = 1.0
OUTRUN_RETRIES = 3

log = logging.getLogger(__name__)


@dataclass(eq=False, kw_only=True)
class WaitingClaim:
    """A claim, who waits for its answer, and the ends that it makes unnecessary."""

    claim: Claim
    is_wanted: Callable[[], bool]
    answer: asyncio.Future[ClaimOutcome]
    replaces: list[SessionEnd] = field(default_factory=list)
    retries_left: int = OUTRUN_RETRIES


@dataclass(eq=False, kw_only=True)
class ModuleQueue:
    """What waits to be written for one module: ends first, then claims in their order."""

    ends: list[SessionEnd] = field(default_factory=list)
    claims: list[WaitingClaim] = field(default_factory=list)


@dataclass(kw_only=True)
class Batch:
    """At most one operation per module."""

    claims: list[WaitingClaim] = field(default_factory=list)
    ends: list[SessionEnd] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.claims) + len(self.ends)


class SessionWriter:
    """Queues operations per module and writes them; a failed batch is undone by its ends."""

    def __init__(self, bridge: Bridge, store: Store, view: Callable[[], NodeView]) -> None:
        self._bridge = bridge
        self._store = store
        self._view = view
        self._queues: dict[ModuleHash, ModuleQueue] = {}
        self._in_flight: set[ModuleHash] = set()
        self._work = asyncio.Event()
        self._is_stopping = False
        self._is_failing = False
        self._paused_until = 0.0
        self.last_batch_size = 0
        self.last_batch_seconds = 0.0

    def is_busy_with(self, module_hash: ModuleHash) -> bool:
        """Return whether an operation of this module waits or is in flight."""
        return module_hash in self._queues or module_hash in self._in_flight

    async def claim(self, claim: Claim, is_wanted: Callable[[], bool]) -> ClaimOutcome:
        """Bind a session; raises DatabaseUnavailable when the batch could not be written."""
        loop = asyncio.get_running_loop()
        if self._is_failing and (self._in_flight or loop.time() < self._paused_until):
            raise DatabaseUnavailable
        waiting = WaitingClaim(claim=claim, is_wanted=is_wanted, answer=loop.create_future())
        queue = self._queues.setdefault(claim.module_hash, ModuleQueue())
        waiting.replaces, queue.ends = queue.ends, []
        queue.claims.append(waiting)
        self._work.set()
        return await waiting.answer

    def end(self, end: SessionEnd) -> None:
        """End a session, now or as soon as the database is back."""
        queue = self._queues.setdefault(end.module_hash, ModuleQueue())
        if queue.claims:
            queue.claims[0].replaces.append(end)
        else:
            queue.ends.append(end)
        self._work.set()

    async def run(self) -> None:
        """Write batch after batch until stopped, and then what still waits."""
        while not self._is_stopping or self._queues:
            await self._work.wait()
            # A full batch goes at once: the database works while those of the last are answered.
            if not self._is_stopping and len(self._queues) < BATCH_MAX_OPERATIONS:
                await asyncio.sleep(BATCH_WAIT_SECONDS)
            self._work.clear()
            await self.write_one_batch()

    def stop(self) -> None:
        """Have `run` end when nothing waits any more."""
        self._is_stopping = True
        self._work.set()

    async def write_one_batch(self) -> None:
        """Write what waits, up to the limit, and answer those who wait for it."""
        batch = self._take_batch()
        if not len(batch):
            return
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            outcomes = await self._bridge.run(self._write, batch, utc_now())
        except DatabaseError as error:
            log.warning("batch of %d sessions failed: %s", len(batch), type(error).__name__)
            self._refuse_waiting()
            await self._undo(batch)
        except Exception:
            log.exception("batch of %d sessions failed", len(batch))
            await self._undo(batch)
        else:
            self._is_failing = False
            for waiting, outcome in zip(batch.claims, outcomes, strict=True):
                self._settle(waiting, outcome)
        finally:
            self._in_flight.clear()
            self.last_batch_size = len(batch)
            self.last_batch_seconds = loop.time() - started
        if self._queues:
            self._work.set()

    def _write(self, batch: Batch, now: datetime) -> list[ClaimOutcome]:
        replaced = [end for waiting in batch.claims for end in waiting.replaces]
        claims = [waiting.claim for waiting in batch.claims]
        return write_batch(self._store, self._view(), claims, batch.ends, now, replaced=replaced)

    def _take_batch(self) -> Batch:
        batch = Batch()
        for module_hash in list(self._queues):
            if len(batch) >= BATCH_MAX_OPERATIONS:
                break
            queue = self._queues[module_hash]
            while queue.claims and not queue.claims[0].is_wanted():
                self._abandon(queue)
            if queue.ends:
                batch.ends.append(queue.ends.pop(0))
            elif queue.claims:
                batch.claims.append(queue.claims.pop(0))
            if not queue.ends and not queue.claims:
                del self._queues[module_hash]
        self._in_flight = {w.claim.module_hash for w in batch.claims}
        self._in_flight |= {end.module_hash for end in batch.ends}
        return batch

    @staticmethod
    def _abandon(queue: ModuleQueue) -> None:
        """Drop a claim whose client has gone before it was written."""
        waiting = queue.claims.pop(0)
        waiting.answer.cancel()
        queue.ends.extend(waiting.replaces)

    def _settle(self, waiting: WaitingClaim, outcome: ClaimOutcome) -> None:
        if outcome.verdict is Verdict.OUTRUN and waiting.retries_left > 0:
            waiting.retries_left -= 1
            queue = self._queues.setdefault(outcome.claim.module_hash, ModuleQueue())
            queue.claims.insert(0, waiting)
            return
        if outcome.verdict is not Verdict.BOUND:
            for end in waiting.replaces:
                self.end(end)
        if not waiting.answer.done():
            waiting.answer.set_result(outcome)

    def _refuse_waiting(self) -> None:
        """Refuse the claims that wait behind a failed batch: their clients shall not wait on."""
        for module_hash, queue in list(self._queues.items()):
            for waiting in queue.claims:
                queue.ends += waiting.replaces
                if not waiting.answer.done():
                    waiting.answer.set_exception(DatabaseUnavailable())
            queue.claims.clear()
            if not queue.ends:
                del self._queues[module_hash]

    async def _undo(self, batch: Batch) -> None:
        """Refuse the claims, end whatever of them landed all the same, and repeat the ends.

        Every end is guarded by its session's id, so that ending what never landed does nothing.
        """
        self._is_failing = True
        self._in_flight.clear()
        self._paused_until = asyncio.get_running_loop().time() + PAUSE_AFTER_FAILURE_SECONDS
        ends = list(batch.ends)
        now = utc_now()
        for waiting in batch.claims:
            ends += waiting.replaces
            # A socket to be bound again still stands: the next reconciliation looks after it.
            if waiting.claim.floor_epoch is None:
                ends.append(_undo_claim(waiting.claim, now))
            if not waiting.answer.done():
                waiting.answer.set_exception(DatabaseUnavailable())
        for end in ends:
            self.end(end)
        await asyncio.sleep(PAUSE_AFTER_FAILURE_SECONDS)


def _undo_claim(claim: Claim, now: datetime) -> SessionEnd:
    return SessionEnd(
        module_hash=claim.module_hash,
        session_id=claim.session.id,
        epoch=0,
        reason=OfflineReason.CONNECTION_LOST,
        at=now,
        is_certain=False,
    )
