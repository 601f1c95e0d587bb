"""The database as the API meets it: the store behind a breaker, within a time that callers wait."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from shared.domain.node import LeaseGrace
from shared.errors import DatabaseUnavailable, PlatformError
from shared.store import Store, batch_timeout
from shared.store.errors import DatabaseError, is_away, is_failing, is_slow

log = logging.getLogger(__name__)

# For each call, and for the question after a call that was late whether the server answers at all:
# the driver may take half a second longer, and a 503 comes within two seconds.
CALL_TIMEOUT_MS = 1200
ANSWER_SECONDS = 0.25
REFUSAL_SECONDS = 1.0
PROBE_SECONDS = 2.0


class Database:
    """Lends the store; after a failure refuses at once for a second, then lets one request try."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._is_failing = False
        self._refuse_until = 0.0
        self.grace = LeaseGrace(clock)

    @contextmanager
    def use(self, seconds: float | None = None) -> Iterator[Store]:
        """Lend the store, for at most this long if it is said; raises DatabaseUnavailable."""
        self._admit()
        try:
            with batch_timeout(seconds) if seconds else nullcontext():
                yield self._store
        except DatabaseError as error:
            self._judge(error)
            if not is_away(error):
                raise
            raise DatabaseUnavailable from error
        except PlatformError:
            self._note_answer()
            raise
        self._note_answer()

    def _admit(self) -> None:
        if not self._is_failing:
            return
        with self._lock:
            now = self._clock()
            if now < self._refuse_until:
                raise DatabaseUnavailable
            # This request tries; the others are refused until its decision is known.
            self._refuse_until = now + PROBE_SECONDS

    def _judge(self, error: DatabaseError) -> None:
        """Note an outage, or that the server answers though this call of it failed."""
        is_answer = not is_away(error) or is_failing(error)
        if is_answer or (is_slow(error) and self._is_answering()):
            self._note_answer()
        else:
            self._note_failure(error)

    def _is_answering(self) -> bool:
        try:
            with batch_timeout(ANSWER_SECONDS):
                self._store.ping()
        except DatabaseError:
            return False
        return True

    def _note_failure(self, error: Exception) -> None:
        with self._lock:
            if not self._is_failing:
                log.warning("the database does not answer", extra={"error": f"{error!s:.200}"})
            self._is_failing = True
            self._refuse_until = self._clock() + REFUSAL_SECONDS
            self.grace.forget_looks()

    def _note_answer(self) -> None:
        if not self._is_failing:
            return
        with self._lock:
            self._is_failing = False
            self._refuse_until = 0.0
        log.warning("the database answers again")
