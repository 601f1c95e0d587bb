"""The wall clock, believed only while the steady clock and the database server's agree with it.

A machine whose date jumps 31 days ahead would otherwise purge the whole history.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.clock import utc_now
from shared.domain.event import CLOCK_DISTRUSTED, Subject, clock_changed
from shared.domain.event_words import Doubt
from shared.store import Store

# NTP corrects less than this at once, and what is purged is hours or days old.
TOLERANCE = timedelta(seconds=60)
# The server's clock is asked this often: with every look of every loop, that was a third of what a
# worker at rest asks the database.
ASK_SERVER_SECONDS = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the clocks showed at one moment; the steady one is never set, and counts in suspend."""

    wall: datetime
    steady_seconds: float
    server: datetime


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Which time it most likely is, and why the wall clock is not trusted, if it is not."""

    likely: datetime
    doubt: Doubt | None = None
    off_by: timedelta = timedelta(0)


class ClockJudge:
    """Compares each reading with the last one that was trusted."""

    def __init__(self) -> None:
        self._trusted: Reading | None = None

    def judge(self, reading: Reading) -> Judgement:
        """Judge one reading.

        Without a trusted reading the server's clock is the likelier one: more machines go by it. A
        clock that jumped is not trusted until it jumps back, or the worker starts anew.
        """
        jump = self._measure_jump(reading)
        if abs(jump) > TOLERANCE:
            return Judgement(likely=reading.wall - jump, doubt=Doubt.JUMPED, off_by=jump)
        difference = reading.wall - reading.server
        if abs(difference) > TOLERANCE:
            return Judgement(likely=reading.server, doubt=Doubt.DIFFERS, off_by=difference)
        self._trusted = reading
        return Judgement(likely=reading.wall)

    def _measure_jump(self, reading: Reading) -> timedelta:
        if self._trusted is None:
            return timedelta(0)
        passed = timedelta(seconds=reading.steady_seconds - self._trusted.steady_seconds)
        return reading.wall - self._trusted.wall - passed


def read_clocks(store: Store) -> Reading:
    """Read all three clocks; raises a driver error while the database is away."""
    server = store.server_time()
    steady_seconds = time.clock_gettime(time.CLOCK_BOOTTIME)
    return Reading(wall=utc_now(), steady_seconds=steady_seconds, server=server)


class ClockReader:
    """Reads the clocks; between two questions, the server's goes on with the steady one."""

    def __init__(self) -> None:
        self._asked: Reading | None = None

    def __call__(self, store: Store) -> Reading:
        """Read the clocks; raises a driver error when the server is to be asked, and is away."""
        asked, steady_seconds = self._asked, time.clock_gettime(time.CLOCK_BOOTTIME)
        if asked is None or steady_seconds >= asked.steady_seconds + ASK_SERVER_SECONDS:
            self._asked = read_clocks(store)
            return self._asked
        passed = timedelta(seconds=steady_seconds - asked.steady_seconds)
        return Reading(wall=utc_now(), steady_seconds=steady_seconds, server=asked.server + passed)


class TrustedClock:
    """Judges the clocks for all loops, and records an event when trust ends or comes back."""

    def __init__(
        self, store: Store, worker: Subject, read: Callable[[Store], Reading] | None = None
    ) -> None:
        self._store = store
        self._worker = worker
        self._read = read or ClockReader()
        self._judge = ClockJudge()
        self._told: str | None = None
        self._has_looked_back = False
        self._lock = threading.Lock()

    def judge(self) -> Judgement:
        """Tell which time it is and whether to trust it; may raise a driver error."""
        with self._lock:
            judgement = self._judge.judge(self._read(self._store))
            self._look_back()
            if judgement.doubt != self._told:
                self._tell(judgement)
            return judgement

    def _look_back(self) -> None:
        """Learn what the worker before this one told last: a restart trusts the clock again."""
        if self._has_looked_back:
            return
        events = self._store.events.find(subject=self._worker)
        if events and events[-1].what == CLOCK_DISTRUSTED:
            self._told = events[-1].reason
        self._has_looked_back = True

    def _tell(self, judgement: Judgement) -> None:
        seconds = judgement.off_by.total_seconds()
        event = clock_changed(self._worker, judgement.likely, judgement.doubt, seconds)
        self._store.events.record([event])
        self._told = judgement.doubt
        if judgement.doubt:
            log.error(
                "the clock is not trusted: nothing is purged",
                extra={"reason": judgement.doubt.value, "seconds": seconds},
            )
        else:
            log.warning("the clock is trusted again")
