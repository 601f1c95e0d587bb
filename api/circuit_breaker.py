"""The database as the API meets it: the store behind a breaker, within a time that callers wait."""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from shared.domain.node import LeaseGrace
from shared.errors import DatabaseUnavailable, PlatformError
from shared.store import Store, batch_timeout
from shared.store.errors import DatabaseError, is_away, is_disk_full, is_failing, is_slow

log = logging.getLogger(__name__)

# For each call, and for the question after a call that was late whether the server answers at all:
# the driver may take half a second longer, and a 503 comes within two seconds.
CALL_TIMEOUT_MS = 1200
# For all the calls of a request together that need several, or may take longer elsewhere.
REQUEST_SECONDS = CALL_TIMEOUT_MS / 1000
ANSWER_SECONDS = 0.25
REFUSAL_SECONDS = 1.0
PROBE_SECONDS = 2.0
READY_SECONDS = 1.0
PROOF_SECONDS = 1.0
TELL_AGAIN_SECONDS = 10.0
# A server of our own that fails with less than this left has a reason.
FULL_DISK_BYTES = 64 * 2**20


class CircuitBreaker:
    """Lends the store; after a failure refuses at once for a second, then lets one request try."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float] = time.monotonic,
        data_dir: Path | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._data_dir = data_dir  # of a server of our own
        self._lock = threading.Lock()
        self._proof_lock = threading.Lock()
        self._proven_until = 0.0
        self._refuted_by: DatabaseUnavailable | None = None
        self._is_failing = False
        self._refuse_until = 0.0
        self._tell_again_at = 0.0
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
            raise self._explain(error) from error
        except PlatformError:
            self._note_answer()
            raise
        self._note_answer()

    def prove_write(self) -> None:
        """Raise DatabaseUnavailable unless the database takes writes: one is tried every second."""
        with self._proof_lock:
            if self._clock() >= self._proven_until:
                self._refuted_by = self._try_write()
                self._proven_until = self._clock() + PROOF_SECONDS
            if self._refuted_by is not None:
                raise DatabaseUnavailable(self._refuted_by.message)

    def _try_write(self) -> DatabaseUnavailable | None:
        try:
            with self.use(READY_SECONDS) as store:
                store.counters.count_probe()
        except DatabaseUnavailable as error:
            return error
        return None

    def _explain(self, error: DatabaseError) -> DatabaseUnavailable:
        if is_disk_full(error) or (is_failing(error) and self._has_full_disk()):
            return DatabaseUnavailable("The database cannot write: disk full.")
        return DatabaseUnavailable()

    def _has_full_disk(self) -> bool:
        if self._data_dir is None or not self._data_dir.exists():
            return False
        return shutil.disk_usage(self._data_dir).free < FULL_DISK_BYTES

    def _admit(self) -> None:
        if not self._is_failing:
            return
        with self._lock:
            now = self._clock()
            if now < self._refuse_until:
                raise DatabaseUnavailable
            # This request tries; the others are refused until its outcome is known.
            self._refuse_until = now + PROBE_SECONDS

    def _judge(self, error: DatabaseError) -> None:
        """Note an outage, or that the server answers though this call of it failed."""
        is_answer = not is_away(error) or is_failing(error)
        if is_failing(error) and self._clock() >= self._tell_again_at:
            self._tell_again_at = self._clock() + TELL_AGAIN_SECONDS
            log.warning(
                "the database answers that it failed inside", extra={"error": f"{error!s:.200}"}
            )
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
