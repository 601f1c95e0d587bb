"""The clock of every local deadline: monotonic, and still while the process is frozen."""

import time
from collections.abc import Callable


class WorkingClock:
    """Monotonic seconds without the gaps in which the process stood still.

    A suspended machine or a stopped process thereby moves all deadlines by the gap at once.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.frozen_seconds = 0.0

    def now(self) -> float:
        """Return the working time in seconds."""
        return self._monotonic() - self.frozen_seconds

    def leave_out(self, gap_seconds: float) -> None:
        """Leave out a gap in which nothing could be read."""
        self.frozen_seconds += gap_seconds
