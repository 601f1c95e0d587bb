"""The starts and ends of sessions, queued per module and written in batches."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from shared.clock import utc_now
from shared.domain.closing import OfflineReason
from shared.domain.ids import ModuleHash, SessionId
from shared.domain.session import Claim, ClaimOutcome, Decision, SessionEnd
from shared.errors import DatabaseUnavailable, PlatformError
from shared.services.sessions import NodeView, write_batch
from wsd.batch_writer import BatchWriter
from wsd.database import Database
from wsd.metrics import Metrics

OUTRUN_RETRIES = 3

log = logging.getLogger(__name__)


@dataclass(eq=False, kw_only=True)
class WaitingClaim:
    """A claim, the future of its outcome, and the ends that it makes superfluous."""

    claim: Claim
    is_wanted: Callable[[], bool]
    answer: asyncio.Future[ClaimOutcome]
    superfluous_ends: list[SessionEnd] = field(default_factory=list)
    retries_left: int = OUTRUN_RETRIES
    was_tried: bool = False


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

    def modules(self) -> set[ModuleHash]:
        """Return the modules that its operations are about."""
        claimed = {waiting.claim.module_hash for waiting in self.claims}
        return claimed | {end.module_hash for end in self.ends}


class SessionWriter:
    """Queues claims and ends; a failed batch is reconciled by reading back what became of it."""

    def __init__(self, database: Database, view: Callable[[], NodeView], metrics: Metrics) -> None:
        self._store = database.store
        self._view = view
        self._queues: dict[ModuleHash, ModuleQueue] = {}
        self._in_flight: set[ModuleHash] = set()
        self._batches: BatchWriter[Batch, list[ClaimOutcome]] = BatchWriter(database, self, metrics)
        self.run = self._batches.run
        self.stop = self._batches.stop
        self.write_one_batch = self._batches.write_one_batch

    def is_changing(self, module_hash: ModuleHash) -> bool:
        """Return whether an operation of this module waits or is in flight."""
        return module_hash in self._queues or module_hash in self._in_flight

    async def claim(self, claim: Claim, is_wanted: Callable[[], bool]) -> ClaimOutcome:
        """Claim a session; raises DatabaseUnavailable when the batch could not be written."""
        if self._batches.refuses_new_work:
            raise DatabaseUnavailable
        answer = asyncio.get_running_loop().create_future()
        waiting = WaitingClaim(claim=claim, is_wanted=is_wanted, answer=answer)
        queue = self._queues.setdefault(claim.module_hash, ModuleQueue())
        # What a failed batch left behind is cleared up before something is built on it.
        waiting.superfluous_ends = [end for end in queue.ends if not end.is_doubtful]
        queue.ends = [end for end in queue.ends if end.is_doubtful]
        queue.claims.append(waiting)
        self._batches.notify()
        return await waiting.answer

    def end(self, end: SessionEnd) -> None:
        """End a session, now or as soon as the database is back."""
        queue = self._queues.setdefault(end.module_hash, ModuleQueue())
        if queue.claims and not end.is_doubtful:
            queue.claims[0].superfluous_ends.append(end)
        else:
            queue.ends.append(end)
        self._batches.notify()

    # What the batch writer asks for.

    def count_waiting(self) -> int:
        """Return how many modules wait for an operation."""
        return len(self._queues)

    @staticmethod
    def size_of(batch: Batch) -> int:
        """Return the number of operations in a batch."""
        return len(batch)

    def take(self, limit: int) -> Batch | None:
        """Take one operation of as many modules from the queues."""
        batch = Batch()
        for module_hash in list(self._queues):
            if len(batch) >= limit:
                break
            queue = self._queues[module_hash]
            while queue.claims and not queue.claims[0].is_wanted():
                self._drop(queue)
            if queue.ends:
                batch.ends.append(queue.ends.pop(0))
            elif queue.claims:
                batch.claims.append(queue.claims.pop(0))
            if not queue.ends and not queue.claims:
                del self._queues[module_hash]
        self._in_flight = batch.modules()
        return batch if len(batch) else None

    def write(self, batch: Batch) -> list[ClaimOutcome]:
        """Write a batch; runs in a thread."""
        claims = [waiting.claim for waiting in batch.claims]
        # A replaced session was overwritten already: its end is recorded, and nothing to write.
        superfluous = [end for end in batch.ends if end.reason is OfflineReason.REPLACED]
        ends = [end for end in batch.ends if end.reason is not OfflineReason.REPLACED]
        superfluous += [end for waiting in batch.claims for end in waiting.superfluous_ends]
        return write_batch(
            self._store, self._view(), claims, ends, utc_now(), superfluous=superfluous
        )

    def settle(self, batch: Batch, result: list[ClaimOutcome]) -> None:
        """Give every claim its outcome."""
        self._in_flight -= batch.modules()
        for waiting, outcome in zip(batch.claims, result, strict=True):
            self._settle_one(waiting, outcome)

    def fail(self, batch: Batch) -> None:
        """Refuse the newcomers, and queue what repairs the batch.

        A claim of it may have been written all the same. The end of a refused one is doubtful: the
        database is asked first. A rebind is tried again; it is accepted if it was written.
        """
        self._in_flight -= batch.modules()
        self._refuse_waiting()
        for end in batch.ends:
            # A repeated end finds nothing if it was written; the event is recorded again anyway.
            self.end(end)
        for waiting in batch.claims:
            if waiting.claim.is_rebind:
                waiting.was_tried = True
                self._try_again(waiting)
                continue
            self._end_all_of(waiting)
            _refuse(waiting, DatabaseUnavailable())

    @staticmethod
    def split(batch: Batch) -> list[Batch]:
        """Return the operations of a batch as batches of one."""
        claims = [Batch(claims=[waiting]) for waiting in batch.claims]
        return claims + [Batch(ends=[end]) for end in batch.ends]

    def drop(self, batch: Batch, error: Exception) -> None:
        """Give up an operation that the database refuses for good.

        The reconciler looks again at a session that was not ended, and at a socket not rebound.
        """
        self._in_flight -= batch.modules()
        for module_hash in batch.modules():
            fields = {"module_hash": module_hash, "error": type(error).__name__}
            log.error("an operation is given up", extra=fields)
        for waiting in batch.claims:
            if waiting.claim.is_rebind:
                for end in waiting.superfluous_ends:
                    self.end(end)
                _refuse(waiting, DatabaseUnavailable())
            else:
                self._end_all_of(waiting)
                _refuse(waiting, PlatformError("Internal error."))

    def _end_all_of(self, waiting: WaitingClaim) -> None:
        """Queue the end of a claim that may have been written, and those that it made superfluous."""
        for end in [_doubtful_end(waiting.claim), *waiting.superfluous_ends]:
            self.end(end)

    def _try_again(self, waiting: WaitingClaim) -> None:
        queue = self._queues.setdefault(waiting.claim.module_hash, ModuleQueue())
        queue.claims.insert(0, waiting)
        self._batches.notify()

    @staticmethod
    def _drop(queue: ModuleQueue) -> None:
        """Drop a claim whose client left before it was written."""
        waiting = queue.claims.pop(0)
        waiting.answer.cancel()
        if waiting.was_tried:
            # First: the plain end of the same session would clear it before its start is recorded.
            queue.ends.insert(0, _doubtful_end(waiting.claim))
        queue.ends.extend(waiting.superfluous_ends)

    def _settle_one(self, waiting: WaitingClaim, outcome: ClaimOutcome) -> None:
        if outcome.decision is Decision.OUTRUN and waiting.retries_left > 0:
            waiting.retries_left -= 1
            if not waiting.claim.is_rebind:
                waiting.claim = _with_new_session(waiting.claim)
            self._try_again(waiting)
            return
        if outcome.decision is not Decision.ACCEPTED:
            for end in waiting.superfluous_ends:
                self.end(end)
        if not waiting.answer.done():
            waiting.answer.set_result(outcome)

    def _refuse_waiting(self) -> None:
        """Refuse the newcomers behind a failed batch: their clients shall not wait on."""
        for module_hash, queue in list(self._queues.items()):
            for waiting in queue.claims:
                if not waiting.claim.is_rebind:
                    queue.ends += waiting.superfluous_ends
                    _refuse(waiting, DatabaseUnavailable())
            queue.claims = [waiting for waiting in queue.claims if waiting.claim.is_rebind]
            if not queue.ends and not queue.claims:
                del self._queues[module_hash]


def _refuse(waiting: WaitingClaim, error: PlatformError) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)


def _with_new_session(claim: Claim) -> Claim:
    """Return a claim under an id that no node command can name.

    The old one may have been written and replaced within the same moment, by a node that has
    commanded its socket closed.
    """
    session = replace(claim.session, id=SessionId(secrets.token_hex(16)))
    return replace(claim, session=session)


def _doubtful_end(claim: Claim) -> SessionEnd:
    return SessionEnd(
        module_hash=claim.module_hash,
        session_id=claim.session.id,
        epoch=0,
        reason=OfflineReason.CONNECTION_LOST,
        at=utc_now(),
        peer=claim.session.peer,
        is_doubtful=True,
    )
