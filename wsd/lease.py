"""The node's lease, kept by a thread with a client of its own: no stalled batch starves it."""

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.clock import utc_now
from shared.domain.ids import NodeId
from shared.domain.node import Node
from shared.services.nodes import enrol_node, replace_predecessors
from shared.store import Store
from shared.store.errors import is_away

RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LeaseTimes:
    """How long a lease lasts, and how often it is renewed."""

    lease_seconds: float
    renew_seconds: float


class LeaseKeeper:
    """Enrols the node, renews its lease, and enrols it anew when it was declared dead."""

    def __init__(
        self,
        store: Store,
        name: str,
        address: str,
        times: LeaseTimes,
        count_sessions: Callable[[], int],
        on_enrolled: Callable[[Node], None],
    ) -> None:
        self._store = store
        self._name = name
        self._address = address
        self._times = times
        self._count_sessions = count_sessions
        self._on_enrolled = on_enrolled
        self._node: Node | None = None
        self._enrolling: Node | None = None
        self._enrolments = 0
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self.renewed_at: float | None = None
        self._loop_ticked_at = time.monotonic()

    def note_tick(self) -> None:
        """Learn that the event loop works: only that keeps the lease."""
        self._loop_ticked_at = time.monotonic()

    def start(self) -> None:
        """Start enrolling and renewing in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing; a renewal in flight is waited for, so that none comes later."""
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def renew_soon(self) -> None:
        """Renew at once: the process has been frozen and must know whether it is still believed."""
        self._wake.set()

    def age_seconds(self) -> float | None:
        """Return how long ago the lease was renewed, or None while there is none."""
        return None if self.renewed_at is None else time.monotonic() - self.renewed_at

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(self._renew_once())
            self._wake.clear()

    def _renew_once(self) -> float:
        """Enrol or renew; return the seconds until the next time."""
        asked_at = time.monotonic()
        if asked_at - self._loop_ticked_at > self._times.lease_seconds:
            log.warning("the event loop hangs: the lease is not renewed")
            return self._retry_seconds
        try:
            if self._node is None:
                self._enrol()
            elif not self._store.nodes.renew(
                self._node.id, self._lease_until(), self._count_sessions()
            ):
                log.warning("declared dead: enrolling anew", extra={"node": self._node.id})
                self._enrol()
        except Exception as error:
            if is_away(error):
                log.warning("lease not renewed", extra={"error": type(error).__name__})
            else:
                log.exception("lease not renewed")
                self._enrolling = None  # its id may be another process's
            return self._retry_seconds
        self.renewed_at = asked_at
        return self._times.renew_seconds

    @property
    def _retry_seconds(self) -> float:
        return min(RETRY_SECONDS, self._times.renew_seconds)

    def _lease_until(self) -> datetime:
        return utc_now() + timedelta(seconds=self._times.lease_seconds)

    def _enrol(self) -> None:
        now = utc_now()
        # An attempt whose answer was lost may have been written: the same node is enrolled again.
        self._enrolling = node = replace(
            self._enrolling or self._new_node(now),
            lease_until=self._lease_until(),
            sessions=self._count_sessions(),
        )
        enrol_node(self._store, node, now)
        if self._node is None:  # later, another process may rightly have the same address
            replace_predecessors(self._store, node, now)
        self._node, self._enrolling = node, None
        log.info("enrolled", extra={"node": node.id})
        self._on_enrolled(node)

    def _new_node(self, now: datetime) -> Node:
        self._enrolments += 1
        started = f"{now:%Y%m%dT%H%M%S}-{os.getpid()}-{self._enrolments}"
        return Node(
            id=NodeId(f"{self._name}:{started}"),
            address=self._address,
            renewals=0,
            lease_until=now,
            started_at=now,
        )
