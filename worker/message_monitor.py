"""The message monitor: messages whose time is over are given up, and interrupted ends are mended."""

from datetime import datetime

from shared.services.message_deadlines import check_pushed, check_queued, end_overdue
from shared.store import Store
from worker.trusted_clock import TrustedClock

OVERDUE_SECONDS = 2.0
PUSHED_SECONDS = 5.0
QUEUED_SECONDS = 10.0


class MessageMonitor:
    """The worker's ticks over messages; each goes on in slices from where the last one ended."""

    def __init__(self, store: Store, clock: TrustedClock) -> None:
        self._store = store
        self._clock = clock
        self._pushed_after: datetime | None = None
        self._queued_after: datetime | None = None

    def end_overdue(self) -> bool:
        """End messages whose deadline has passed; True while work is left."""
        return end_overdue(self._store, self._clock.judge().likely)

    def check_pushed(self) -> bool:
        """Look at a slice of what modules have."""
        now = self._clock.judge().likely
        self._pushed_after = check_pushed(self._store, now, self._pushed_after)
        return False

    def check_queued(self) -> bool:
        """Look at a slice of what waits for modules."""
        now = self._clock.judge().likely
        self._queued_after = check_queued(self._store, now, self._queued_after)
        return False
