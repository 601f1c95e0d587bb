"""Listings that are read and written out once per process, and served until something changes.

The change counter is read at most every 250 ms. A changed listing is read again at once, but a
process spends at most a fifth of its time on that. Unchanged ones are read again when they are ten
seconds old (last_alive_time and `suspect` move without a change), or when a lease runs out that
they rest on; every second while a node is silent that may be back without a change. While one
thread reads, the others serve what lies ready, if it may still be served.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import orjson

from api.circuit_breaker import Database
from api.http.envelope import encode
from shared.clock import utc_now
from shared.domain.presence import PresenceRules
from shared.errors import DatabaseUnavailable
from shared.services.module_listing import ListedModule, Listing, to_item
from shared.store import BATCH_TIMEOUT_SECONDS, Store

CHECK_SECONDS = 0.25
DOUBTFUL_AGE_SECONDS = 1.0
WAIT_SECONDS = 1.8
REFRESH_SECONDS = 10.0
MAX_AGE_SECONDS = 15.0
# How long after a good look at the counter others are served while somebody looks again.
SERVED_MEANWHILE_SECONDS = 1.0
PAUSE_PER_READ = 4


class ReadListing(Protocol):
    """What reads a listing: list_online or list_all."""

    def __call__(
        self, store: Store, rules: PresenceRules, now: datetime, *, trust_lease: bool
    ) -> Listing: ...


@dataclass(frozen=True, kw_only=True)
class Written:
    """A listing's answer in bytes, and the weak ETag of all of it but last_alive_time."""

    body: bytes
    etag: str


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A listing as read; when to read it again, and until when it may be served, monotonic."""

    modules: tuple[ListedModule, ...]
    changes: int
    everything: Written
    read_at: float
    refresh_at: float
    serve_until: float


def write_out(modules: Sequence[ListedModule]) -> Written:
    """Write the answer that lists these modules."""
    items = [to_item(module) for module in modules]
    body = encode(items)
    for item in items:
        del item["last_alive_time"]
    digest = hashlib.blake2b(orjson.dumps(items), digest_size=16)
    return Written(body=body, etag=f'W/"{digest.hexdigest()}"')


class CachedListing:
    """One listing of one process; any number of threads ask, one of them reads."""

    def __init__(
        self,
        database: Database,
        rules: PresenceRules,
        read: ReadListing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._rules = rules
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._checked_at = 0.0
        self._check_again_at = 0.0
        self._read_seconds = BATCH_TIMEOUT_SECONDS

    def current(self) -> Snapshot:
        """Return the listing as it is now; raises DatabaseUnavailable rather than tell old news."""
        snapshot = self._snapshot
        if snapshot is not None and self._clock() < self._check_again_at:
            return snapshot
        if not self._lock.acquire(blocking=False):
            if snapshot is not None and self._may_serve_meanwhile(snapshot):
                return snapshot
            if not self._lock.acquire(timeout=WAIT_SECONDS):
                raise DatabaseUnavailable
        try:
            return self._check()
        finally:
            self._lock.release()

    def _may_serve_meanwhile(self, snapshot: Snapshot) -> bool:
        now = self._clock()
        patience = max(SERVED_MEANWHILE_SECONDS, 2 * self._read_seconds)
        return now < snapshot.serve_until and now < self._checked_at + patience

    def _check(self) -> Snapshot:
        """Look at the change counter and read again if that is due; the lock is held."""
        started = self._clock()
        snapshot = self._snapshot
        if snapshot is not None and started < self._check_again_at:
            return snapshot  # somebody else just did
        with self._database.use() as store:
            changes, _ = store.counters.read()
        self._checked_at = started
        if snapshot is None or self._is_read_due(snapshot, changes):
            snapshot = self._snapshot = self._read_again()
        self._check_again_at = min(started + CHECK_SECONDS, snapshot.refresh_at)
        return snapshot

    def _is_read_due(self, snapshot: Snapshot, changes: int) -> bool:
        now = self._clock()
        if now >= snapshot.refresh_at:
            return True
        return changes != snapshot.changes and now >= snapshot.read_at + self._pause_seconds

    @property
    def _pause_seconds(self) -> float:
        """From one reading's start to the next one's: it shall be a fifth of the time at most."""
        return self._read_seconds * (1 + PAUSE_PER_READ)

    def _read_again(self) -> Snapshot:
        started = self._clock()
        # A long list may take long to read, but one that was short does not.
        allowed = min(max(WAIT_SECONDS, 4 * self._read_seconds), BATCH_TIMEOUT_SECONDS)
        trust_lease = self._database.trusts_leases
        try:
            with self._database.use(allowed) as store:
                listing = self._read(store, self._rules, utc_now(), trust_lease=trust_lease)
            everything = write_out(listing.modules)
        except DatabaseUnavailable:
            self._read_seconds = max(self._read_seconds, self._clock() - started)
            raise
        self._read_seconds = self._clock() - started
        serve_until = self._serve_until(listing, started)
        return Snapshot(
            modules=listing.modules,
            changes=listing.changes,
            everything=everything,
            read_at=started,
            refresh_at=min(started + self._refresh_seconds(listing), serve_until),
            serve_until=serve_until,
        )

    def _refresh_seconds(self, listing: Listing) -> float:
        if not listing.is_doubtful:
            return REFRESH_SECONDS
        return min(max(DOUBTFUL_AGE_SECONDS, self._pause_seconds), REFRESH_SECONDS)

    def _serve_until(self, listing: Listing, started: float) -> float:
        limits = [started + MAX_AGE_SECONDS]
        if listing.valid_until is not None:
            limits.append(started + (listing.valid_until - listing.read_at).total_seconds())
        if not self._database.trusts_leases:
            limits.append(self._database.grace_ends_at)
        return min(limits)
