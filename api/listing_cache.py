"""Listings that are read and written out once per process, and served until something changes.

The change counter and the nodes are looked at most every 250 ms. A changed listing is read again at
once, but a process spends at most a fifth of its time on that; it is read again at once, too, when
a node is lost that it rests on. Unchanged ones are read again when they are ten seconds old
(last_alive_time and `suspect` move without a change). A thread of the listing's own reads, as long
as that takes; meanwhile callers have what lies ready, if it may still be served.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from api.circuit_breaker import CircuitBreaker
from api.listing_text import ListingText, write_listing
from shared.clock import utc_now
from shared.domain.ids import NodeId
from shared.domain.node import LeaseGrace, NodesSeen
from shared.domain.presence import PresenceRules
from shared.errors import DatabaseUnavailable
from shared.services.module_listing import ListedModule, Listing
from shared.store import Store

CHECK_SECONDS = 0.25
WAIT_SECONDS = 1.8
REFRESH_SECONDS = 10.0
# How old a listing may become, in times of what it is read again after.
MAX_AGE = 1.5
# How long after a good look the other threads are served while one looks again.
SERVED_MEANWHILE_SECONDS = 1.0
PAUSE_PER_READ = 4
# A node may be lost, or new, since the reading began that a look finds under way.
LOOKS = 3

StreamModules = Callable[
    [Store, PresenceRules, datetime, LeaseGrace], Listing[Iterator[ListedModule]]
]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A listing as read, what it rests on, and three moments of the monotonic clock.

    A change has it read again from `renew_from` on; without one that happens at `refresh_at`.
    """

    text: ListingText
    changes: int
    nodes: NodesSeen
    renew_from: float
    refresh_at: float
    serve_until: float


class CachedListing:
    """One listing of one process; any number of threads ask, one of its own reads."""

    def __init__(
        self,
        breaker: CircuitBreaker,
        rules: PresenceRules,
        stream: StreamModules,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._breaker = breaker
        self._rules = rules
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="listing")
        self._reading: Future[Snapshot] | None = None
        self._snapshot: Snapshot | None = None
        self._looked_at = 0.0
        self._alive: frozenset[NodeId] = frozenset()

    def current(self) -> Snapshot:
        """Return the listing as it is now; raises DatabaseUnavailable rather than tell old news."""
        for _ in range(LOOKS):
            snapshot = self._look_and_wait()
            if snapshot.nodes.alive <= self._alive:
                return snapshot
        raise DatabaseUnavailable("The nodes are changing: try again.")

    def _look_and_wait(self) -> Snapshot:
        if (snapshot := self._find_servable(CHECK_SECONDS)) is not None:
            return snapshot
        if not self._lock.acquire(blocking=False):
            if (snapshot := self._find_servable(SERVED_MEANWHILE_SECONDS)) is not None:
                return snapshot
            if not self._lock.acquire(timeout=WAIT_SECONDS):
                raise DatabaseUnavailable
        try:
            reading = self._look()
        finally:
            self._lock.release()
        return self._wait(reading) if isinstance(reading, Future) else reading

    def _find_servable(self, seconds: float) -> Snapshot | None:
        """Return what lies ready if the last good look is no older than this, and bears it out."""
        snapshot, now = self._snapshot, self._clock()
        if snapshot is None or now >= min(snapshot.serve_until, self._looked_at + seconds):
            return None
        return snapshot if snapshot.nodes.alive <= self._alive else None

    def _look(self) -> "Snapshot | Future[Snapshot]":
        """Look at what the listing rests on, and have it read again if that is due."""
        if (snapshot := self._find_servable(CHECK_SECONDS)) is not None:
            return snapshot  # another thread has just looked
        now = self._clock()
        with self._breaker.use() as store:
            changes, _ = store.counters.read()
            nodes = self._breaker.grace.judge(store.nodes.all(), utc_now())
        self._looked_at, self._alive = now, nodes.alive
        snapshot = self._snapshot
        if snapshot is not None and not snapshot.nodes.alive <= nodes.alive:
            snapshot = self._snapshot = None  # nothing outlives a lease that it rests on
        if snapshot is not None and not self._is_read_due(snapshot, changes, nodes):
            return snapshot
        if self._reading is None or self._reading.done():
            self._reading = self._reader.submit(self._read)
        elif snapshot is not None and now < snapshot.serve_until:
            return snapshot
        return self._reading

    def _is_read_due(self, snapshot: Snapshot, changes: int, nodes: NodesSeen) -> bool:
        now = self._clock()
        if now >= snapshot.refresh_at:
            return True
        before = (snapshot.changes, snapshot.nodes.alive, snapshot.nodes.in_doubt)
        return before != (changes, nodes.alive, nodes.in_doubt) and now >= snapshot.renew_from

    def _wait(self, reading: "Future[Snapshot]") -> Snapshot:
        try:
            return reading.result(WAIT_SECONDS)
        except TimeoutError:
            if (snapshot := self._find_servable(WAIT_SECONDS + CHECK_SECONDS)) is not None:
                return snapshot
            raise DatabaseUnavailable("The listing is long and being read: try again.") from None

    def _read(self) -> Snapshot:
        """Read the listing and write it out; runs in the thread for that."""
        started = self._clock()
        with self._breaker.use() as store:
            listing = self._stream(store, self._rules, utc_now(), self._breaker.grace)
            text = write_listing(listing.modules)
        pause = (self._clock() - started) * (1 + PAUSE_PER_READ)
        refresh = max(REFRESH_SECONDS, pause)
        self._snapshot = Snapshot(
            text=text,
            changes=listing.changes,
            nodes=listing.nodes,
            renew_from=started + pause,
            refresh_at=started + refresh,
            serve_until=started + refresh * MAX_AGE,
        )
        return self._snapshot
