"""Watches the own loop's time and the modules' silence."""

import asyncio
import logging
import time
from collections.abc import Callable

from wsd.connection import ModuleConnection
from wsd.hub import Hub
from wsd.lease import LeaseKeeper
from wsd.session import Patience

LONGEST_TICK_SECONDS = 0.5

log = logging.getLogger(__name__)


class Vigil:
    """Watches the own loop's time and the modules' silence; judges nobody after a freeze."""

    def __init__(self, hub: Hub, keeper: LeaseKeeper, on_freeze: Callable[[], None]) -> None:
        self._hub = hub
        self._keeper = keeper
        self._on_freeze = on_freeze
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._last_boot = _boot_seconds()
        self._frames = 0
        self._judge_from = 0.0
        settings = hub.settings
        self.seconds = min(LONGEST_TICK_SECONDS, settings.websocket_ping_interval_seconds / 4)
        self._patience = Patience(
            interval_seconds=settings.websocket_ping_interval_seconds,
            timeout_seconds=settings.websocket_timeout_seconds,
        )
        self._closes_per_tick = max(1, int(settings.closes_per_second * self.seconds))

    async def tick(self) -> bool:
        """Notice a freeze, ping what is due, and end who has been silent for too long."""
        started = self._loop.time()
        elapsed, self._last = started - self._last, started
        lag = max(0.0, elapsed - self.seconds)
        figures = self._hub.figures
        figures.loop_lag_seconds = lag
        figures.frames_per_second = (figures.frames - self._frames) / max(elapsed, 1e-6)
        self._frames = figures.frames
        boot, previous = _boot_seconds(), self._last_boot
        self._last_boot = boot
        if boot - previous - self.seconds > self._hub.settings.freeze_seconds:
            self._thaw(lag)
        now = self._hub.now()
        connections = list(self._hub.by_session.values())
        if now >= self._judge_from:
            self._judge(connections, now)
        self._hub.forget_refusals()
        return False

    def _thaw(self, gap_seconds: float) -> None:
        """Leave the gap out of every deadline; look after the own lease before anything else."""
        log.warning("the process stood still for %.1f s", gap_seconds)
        self._hub.clock.notice_gap(gap_seconds)
        self._hub.forget_refusals(all_of_them=True)
        self._hub.figures.freezes += 1
        now = self._hub.now()
        for connection in self._hub.by_session.values():
            # What was read since, before this was noticed, carries the time with the gap in it.
            connection.heard_at = min(connection.heard_at, now)
            connection.pinged_at = min(connection.pinged_at, now)
            if connection.session is not None:
                connection.session.leave_out_gap(now)
        self._judge_from = now + self._hub.settings.freeze_grace_seconds
        self._keeper.renew_soon()
        self._on_freeze()

    def _judge(self, connections: list[ModuleConnection], now: float) -> None:
        overdue: list[ModuleConnection] = []
        for connection in connections:
            session = connection.session
            if connection.is_closing():
                connection.hang_up()
            elif session is None or not connection.is_open():
                continue
            elif now - session.spoke_at >= self._patience.timeout_seconds:
                overdue.append(connection)
            else:
                self._look_after(connection, now)
        for connection in overdue[: self._closes_per_tick]:
            connection.check(now, self._patience)

    def _look_after(self, connection: ModuleConnection, now: float) -> None:
        """Ask the program and the kernel at the other end for life when it is time."""
        ping_seconds = self._hub.settings.protocol_ping_seconds
        if connection.heard_at < connection.pinged_at <= now - ping_seconds:
            # Not even the kernel at the other end answers: nobody would read a close frame.
            connection.transport.abort()
            return
        connection.check(now, self._patience)
        if connection.pinged_at <= connection.heard_at <= now - ping_seconds:
            connection.ping_now(now)


def _boot_seconds() -> float:
    """Return a time that goes on while the machine is suspended, as the monotonic one does not."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
