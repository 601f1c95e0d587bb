"""A worker says that it runs, and tells afterwards when none did."""

from shared.domain.event import Subject
from shared.services.worker_presence import Share, find_share, note_worker
from shared.store import Store
from shared.store.errors import DatabaseError
from worker.trusted_clock import TrustedClock


class SignsOfLife:
    """Notes this worker every few seconds, and remembers whether the database was away."""

    def __init__(self, store: Store, clock: TrustedClock, worker: Subject) -> None:
        self._store = store
        self._clock = clock
        self._worker = worker
        self._has_noted = False
        self._met_outage = False
        self.share = Share()

    def note(self) -> bool:
        """Note that this worker runs; raises a driver error while the database is away."""
        try:
            now = self._clock.judge().likely
            note_worker(self._store, self._worker, now, met_outage=self._met_outage)
            self.share = find_share(self._store, self._worker, now)
        except DatabaseError:
            # Of a gap that began before this process did, it does not know the cause.
            self._met_outage = self._has_noted
            raise
        self._has_noted, self._met_outage = True, False
        return False
