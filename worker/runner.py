"""The runner of the worker's loops: a thread each, which calls a tick until the worker stops."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from shared.store.errors import is_away

# A tick waits for the database at most half of this; one that takes longer hangs.
TICK_SECONDS = 60.0

log = logging.getLogger(__name__)


class Loop:
    """A tick that is called again at once while it says that work is left, else after a pause."""

    def __init__(self, name: str, seconds: float, tick: Callable[[], bool]) -> None:
        self.name = name
        self._seconds = seconds
        self._tick = tick
        self._wake = threading.Event()
        self._is_stopping = False
        self._ticked_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start ticking in a thread of its own."""
        self._ticked_at = time.monotonic()
        self._thread.start()

    def wake(self) -> None:
        """Cut the pause short."""
        self._wake.set()

    def stop(self) -> None:
        """Have it end after the tick under way."""
        self._is_stopping = True
        self._wake.set()

    def wait(self, seconds: float) -> bool:
        """Wait for its end; False when it did not come in time."""
        self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive()

    def is_working(self) -> bool:
        """Return whether its thread lives and has ended a tick lately."""
        silent_seconds = time.monotonic() - self._ticked_at
        return self._thread.is_alive() and silent_seconds < self._seconds + TICK_SECONDS

    def _run(self) -> None:
        while not self._is_stopping:
            self._wake.clear()
            work_left = self._call_tick()
            self._ticked_at = time.monotonic()
            if not work_left and not self._is_stopping:
                self._wake.wait(self._seconds)

    def _call_tick(self) -> bool:
        """Call the tick; one that fails is logged, and comes again after a pause."""
        try:
            return self._tick()
        except Exception as error:
            fields = {"loop": self.name, "error": type(error).__name__}
            if is_away(error):
                log.warning("a loop found no database", extra=fields)
            else:
                log.exception("a loop failed", extra=fields)
        return False


def stop_loops(loops: Sequence[Loop], seconds: float) -> list[str]:
    """Stop all loops; return the names of those that did not end within this time."""
    for loop in loops:
        loop.stop()
    deadline = time.monotonic() + seconds
    return [loop.name for loop in loops if not loop.wait(deadline - time.monotonic())]
