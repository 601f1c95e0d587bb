"""The database as the API meets it: the store behind a breaker, within a time that callers wait."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from shared.errors import DatabaseUnavailable, PlatformError
from shared.store import Store, batch_timeout
from shared.store.errors import DatabaseError, is_away

log = logging.getLogger(__name__)

# For each call: the driver may take half a second longer, and a 503 comes within two seconds.
CALL_TIMEOUT_MS = 1400
REFUSAL_SECONDS = 1.0
PROBE_SECONDS = 2.0
# After an outage the leases look run out until every wsd has renewed its own.
LEASE_GRACE_SECONDS = 10.0


class Database:
    """Lends the store; after a failure refuses at once for a second, then lets one request try."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._is_failing = False
        self._refuse_until = 0.0
        self._recovered_at = -LEASE_GRACE_SECONDS

    @contextmanager
    def use(self, seconds: float | None = None) -> Iterator[Store]:
        """Lend the store, for at most this long if it is said; raises DatabaseUnavailable."""
        self._admit()
        try:
            with batch_timeout(seconds) if seconds else nullcontext():
                yield self._store
        except DatabaseError as error:
            if not is_away(error):
                self._note_answer()
                raise
            self._note_failure(error)
            raise DatabaseUnavailable from error
        except PlatformError:
            self._note_answer()
            raise
        self._note_answer()

    @property
    def grace_ends_at(self) -> float:
        """Until when, by the monotonic clock, a lease that ran out proves nothing."""
        return self._recovered_at + LEASE_GRACE_SECONDS

    @property
    def trusts_leases(self) -> bool:
        """Return whether a lease that ran out means that its node is gone."""
        return self._clock() >= self.grace_ends_at

    def _admit(self) -> None:
        if not self._is_failing:
            return
        with self._lock:
            now = self._clock()
            if now < self._refuse_until:
                raise DatabaseUnavailable
            # This request tries; the others are refused until its decision is known.
            self._refuse_until = now + PROBE_SECONDS

    def _note_failure(self, error: Exception) -> None:
        with self._lock:
            if not self._is_failing:
                log.warning("the database does not answer: %.200s", error)
            self._is_failing = True
            self._refuse_until = self._clock() + REFUSAL_SECONDS

    def _note_answer(self) -> None:
        if not self._is_failing:
            return
        with self._lock:
            self._is_failing = False
            self._refuse_until = 0.0
            self._recovered_at = self._clock()
        log.warning("the database answers again")
