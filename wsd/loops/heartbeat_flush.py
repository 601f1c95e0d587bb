"""Writes the times of the last heartbeats and results, grouped by the second."""

import time
from collections import defaultdict
from datetime import datetime, timedelta

from shared.clock import utc_now
from shared.domain.ids import ModuleHash
from shared.domain.session import SessionEnd
from shared.services.heartbeat_recording import record_executions, record_heartbeats
from shared.store.errors import DatabaseError
from wsd.connection import Connection
from wsd.database import Database
from wsd.hub import Hub
from wsd.metrics import Metrics
from wsd.working_clock import WorkingClock

# The listings are made anew for a result's time no more often than this.
LISTED_AFTER_SECONDS = 60.0


class HeartbeatFlush:
    """Flushes the times of the last heartbeats and results from memory to the database."""

    def __init__(self, hub: Hub, database: Database, clock: WorkingClock, metrics: Metrics) -> None:
        self._hub = hub
        self._database = database
        self._clock = clock
        self._metrics = metrics
        # The last heartbeats of sessions that ended since the last flush.
        self._departed: dict[ModuleHash, float] = {}
        self._executed: dict[ModuleHash, datetime] = {}
        self._listed_at = float("-inf")

    def note_execution(self, module_hash: ModuleHash) -> None:
        """Remember when a module's result was stored, until the next flush."""
        self._executed[module_hash] = utc_now()

    def keep_last_heartbeat(self, connection: Connection, end: SessionEnd) -> None:
        """Remember the last heartbeat of a session that ended, until the next flush."""
        assert connection.session is not None
        self._departed[end.module_hash] = connection.session.last_heartbeat_at

    async def tick(self) -> bool:
        """Flush what came since the last flush; a failed flush is repeated by the next."""
        await self._flush_heartbeats()
        await self._flush_executions()
        return False

    async def _flush_executions(self) -> None:
        executed, self._executed = self._executed, {}
        if not executed:
            return
        grouped: dict[datetime, list[ModuleHash]] = defaultdict(list)
        for module_hash, at in executed.items():
            grouped[at.replace(microsecond=0)].append(module_hash)
        is_listed = time.monotonic() >= self._listed_at + LISTED_AFTER_SECONDS
        try:
            store = self._database.store
            await self._database.run(record_executions, store, grouped, is_listed=is_listed)
        except DatabaseError:
            self._executed = executed | self._executed
            raise
        if is_listed:
            self._listed_at = time.monotonic()

    async def _flush_heartbeats(self) -> None:
        sessions = [c.session for c in self._hub.by_session.values() if c.session is not None]
        flushed = [(s, s.last_heartbeat_at) for s in sessions if s.last_heartbeat_at > s.flushed_at]
        departed, self._departed = self._departed, {}
        times = departed | {session.module_hash: at for session, at in flushed}
        if not times:
            return
        started = time.monotonic()
        try:
            heartbeats = self._by_second(times)
            await self._database.run(record_heartbeats, self._database.store, heartbeats)
        except DatabaseError:
            self._departed = departed | self._departed
            raise
        for session, at in flushed:
            session.flushed_at = at
        self._metrics.flush_size = len(times)
        self._metrics.flush_seconds = time.monotonic() - started

    def _by_second(self, times: dict[ModuleHash, float]) -> dict[datetime, list[ModuleHash]]:
        """Turn working times into wall times, and group those of the same second."""
        now, wall = self._clock.now(), utc_now()
        grouped: dict[datetime, list[ModuleHash]] = defaultdict(list)
        for module_hash, last_heartbeat_at in times.items():
            at = wall - timedelta(seconds=max(0.0, now - last_heartbeat_at))
            grouped[at.replace(microsecond=0)].append(module_hash)
        return grouped
