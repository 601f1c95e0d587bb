"""Writes the times of the last heartbeats, grouped by the second."""

import time
from collections import defaultdict
from datetime import datetime, timedelta

from shared.clock import utc_now
from shared.domain.ids import ModuleHash
from shared.domain.session import SessionEnd
from shared.services.heartbeat_recording import record_heartbeats
from shared.store.errors import DatabaseError
from wsd.connection import Connection
from wsd.database import Database
from wsd.hub import Hub
from wsd.metrics import Metrics
from wsd.working_clock import WorkingClock


class HeartbeatFlush:
    """Flushes the times of the last heartbeats from memory to the database."""

    def __init__(self, hub: Hub, database: Database, clock: WorkingClock, metrics: Metrics) -> None:
        self._hub = hub
        self._database = database
        self._clock = clock
        self._metrics = metrics
        # The last heartbeats of sessions that ended since the last flush.
        self._departed: dict[ModuleHash, float] = {}

    def keep_last_heartbeat(self, connection: Connection, end: SessionEnd) -> None:
        """Remember the last heartbeat of a session that ended, until the next flush."""
        assert connection.session is not None
        self._departed[end.module_hash] = connection.session.last_heartbeat_at

    async def tick(self) -> bool:
        """Flush what came since the last flush; a failed flush is repeated by the next."""
        sessions = [c.session for c in self._hub.by_session.values() if c.session is not None]
        flushed = [(s, s.last_heartbeat_at) for s in sessions if s.last_heartbeat_at > s.flushed_at]
        departed, self._departed = self._departed, {}
        times = departed | {session.module_hash: at for session, at in flushed}
        if not times:
            return False
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
        return False

    def _by_second(self, times: dict[ModuleHash, float]) -> dict[datetime, list[ModuleHash]]:
        """Turn working times into wall times, and group those of the same second."""
        now, wall = self._clock.now(), utc_now()
        grouped: dict[datetime, list[ModuleHash]] = defaultdict(list)
        for module_hash, last_heartbeat_at in times.items():
            at = wall - timedelta(seconds=max(0.0, now - last_heartbeat_at))
            grouped[at.replace(microsecond=0)].append(module_hash)
        return grouped
