"""Finds silent sockets, and freezes of the own loop."""

import asyncio
import logging
import time
from collections.abc import Callable

from wsd.connection import Connection
from wsd.hub import Hub
from wsd.metrics import Metrics
from wsd.session import SilenceRules
from wsd.working_clock import WorkingClock

LONGEST_TICK_SECONDS = 0.5

log = logging.getLogger(__name__)


class HeartbeatMonitor:
    """Closes sockets whose module has been silent too long; judges none just after a freeze."""

    def __init__(
        self,
        hub: Hub,
        clock: WorkingClock,
        metrics: Metrics,
        rules: SilenceRules,
        *,
        protocol_ping_seconds: float,
        closes_per_second: int,
        freeze_seconds: float,
        freeze_grace_seconds: float,
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._metrics = metrics
        self._rules = rules
        self._ping_seconds = protocol_ping_seconds
        self._freeze_seconds = freeze_seconds
        self._freeze_grace_seconds = freeze_grace_seconds
        self.seconds = min(LONGEST_TICK_SECONDS, rules.interval_seconds / 4)
        self._closes_per_tick = max(1, int(closes_per_second * self.seconds))
        self._loop = asyncio.get_running_loop()
        self._last_tick_at = self._loop.time()
        self._last_boot_seconds = _boot_seconds()
        self._frames = 0
        self._judge_from = 0.0
        self.on_tick: list[Callable[[], object]] = []
        self.on_freeze: list[Callable[[], object]] = []

    async def tick(self) -> bool:
        """Notice a freeze, ping what is due, and close what has been silent too long."""
        started = self._loop.time()
        elapsed, self._last_tick_at = started - self._last_tick_at, started
        lag = max(0.0, elapsed - self.seconds)
        self._measure(elapsed, lag)
        boot, previous = _boot_seconds(), self._last_boot_seconds
        self._last_boot_seconds = boot
        if boot - previous - self.seconds > self._freeze_seconds:
            self._leave_out_freeze(lag)
        for call in self.on_tick:
            call()
        now = self._clock.now()
        if now >= self._judge_from:
            self._judge([c for c in self._hub.by_session.values() if c.judge_at <= now], now)
        return False

    def _measure(self, elapsed: float, lag: float) -> None:
        metrics = self._metrics
        metrics.loop_lag_seconds = lag
        metrics.frames_per_second = (metrics.frames - self._frames) / max(elapsed, 1e-6)
        self._frames = metrics.frames

    def _leave_out_freeze(self, gap_seconds: float) -> None:
        """Leave the gap out of every deadline."""
        log.warning("the process stood still", extra={"seconds": round(gap_seconds, 1)})
        self._clock.leave_out(gap_seconds)
        self._metrics.freezes += 1
        now = self._clock.now()
        for connection in self._hub.by_session.values():
            # What was read since, before this was noticed, carries the time with the gap in it.
            connection.heard_at = min(connection.heard_at, now)
            connection.pinged_at = min(connection.pinged_at, now)
            if connection.session is not None:
                connection.session.leave_out_gap(now)
        self._judge_from = now + self._freeze_grace_seconds
        for call in self.on_freeze:
            call()

    def _judge(self, connections: list[Connection], now: float) -> None:
        closes_left = self._closes_per_tick
        for connection in connections:
            try:
                is_overdue = self._is_overdue(connection, now)
                if is_overdue and closes_left == 0:
                    continue  # its turn comes with a later tick
                closes_left -= is_overdue
                self._judge_one(connection, now)
            except Exception:
                log.exception("a socket could not be judged", extra={"peer": connection.peer})
                # What else of it is broken is not known: only its transport can be trusted.
                connection.abort()

    def _is_overdue(self, connection: Connection, now: float) -> bool:
        session = connection.session
        return (
            session is not None
            and connection.is_open()
            and now - session.last_heartbeat_at >= self._rules.timeout_seconds
        )

    def _judge_one(self, connection: Connection, now: float) -> None:
        """Close it when it is silent, else ask its program and its kernel when it is time."""
        if not connection.is_open():
            return
        if connection.heard_at < connection.pinged_at <= now - self._ping_seconds:
            # Not even the kernel at the other end answers: it would not read a close frame.
            connection.abort()
        else:
            connection.check(now, self._rules)
            if connection.pinged_at <= connection.heard_at <= now - self._ping_seconds:
                connection.ping_now(now)
            connection.judge_at = self._find_next_deadline(connection)

    def _find_next_deadline(self, connection: Connection) -> float:
        """Return when to look again at a module that sends nothing until then.

        What it sends only moves that on. Looking at all of 10,000 sockets in every tick took about
        3 % of a core.
        """
        assert connection.session is not None
        ping_at = max(connection.heard_at, connection.pinged_at) + self._ping_seconds
        return min(ping_at, connection.session.next_check_at(self._rules))


def _boot_seconds() -> float:
    """Return a time that goes on while the machine is suspended, as the monotonic one does not."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
