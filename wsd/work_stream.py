"""Listens to the change stream of work, in a thread with a client of its own; it only wakes."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from shared.domain.ids import NodeId
from shared.store import Store
from shared.store.errors import DatabaseError
from shared.store.work_changes import WorkChange

FIRST_PAUSE_SECONDS = 0.5  # doubled after each failure
LONGEST_PAUSE_SECONDS = 60.0
# While so many changes come, the stream rests, and the polls come often: the embedded server spends
# 0.2 ms on each change that it looks at, and a message changes three times.
MANY_CHANGES, MANY_WITHIN_SECONDS = 20, 0.2
REST_SECONDS = 2.0

log = logging.getLogger(__name__)


class WorkStream:
    """Wakes the dispatcher when the database tells of work for this node; the poll needs none of it.

    `on_change` is called in the stream's thread, with None for what a stream may have missed that was
    opened anew. It rests while much is told: it is not open then.
    """

    def __init__(
        self,
        store: Store,
        read_nodes: Callable[[], Sequence[NodeId]],
        on_change: Callable[[WorkChange | None], object],
    ) -> None:
        self._store = store
        self._read_nodes = read_nodes
        self._on_change = on_change
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="work stream", daemon=True)
        self._has_failed = False
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self.is_open = False
        self.is_resting = False
        self._told_at: deque[float] = deque(maxlen=MANY_CHANGES)

    def start(self) -> None:
        """Start listening in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no longer; a wait for the database is not waited for."""
        self._stop.set()

    def _run(self) -> None:
        try:
            self._listen_again_and_again()
        finally:
            self._store.close()

    def _listen_again_and_again(self) -> None:
        while not self._stop.is_set():
            if nodes := tuple(self._read_nodes()):
                self._listen(nodes)
            self.is_open = False
            self._stop.wait(REST_SECONDS if self.is_resting else self._pause_seconds)

    def _listen(self, nodes: tuple[NodeId, ...]) -> None:
        """Listen until much is told, the node has another id, the stream ends, or the process."""
        try:
            for change in self._store.work_changes.watch(nodes, lambda: self._is_wanted(nodes)):
                if not self.is_open:
                    self._note_open()
                if change is not None:
                    self._tell(change)
                if self.is_resting:
                    return
            self._pause_seconds = FIRST_PAUSE_SECONDS
        except DatabaseError as error:
            self._note_failure(error)

    def _tell(self, change: WorkChange) -> None:
        """Tell of a change, after it is known whether the next ones are to be polled."""
        now, told_at = time.monotonic(), self._told_at
        told_at.append(now)
        if len(told_at) == MANY_CHANGES and now < told_at[0] + MANY_WITHIN_SECONDS:
            told_at.clear()
            self.is_resting = True
        self._on_change(change)

    def _is_wanted(self, nodes: tuple[NodeId, ...]) -> bool:
        return not self._stop.is_set() and tuple(self._read_nodes()) == nodes

    def _note_open(self) -> None:
        if self._has_failed:
            log.info("the change stream is open again")
        self._has_failed, self.is_open, self.is_resting = False, True, False
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._on_change(None)

    def _note_failure(self, error: DatabaseError) -> None:
        """Say once that there is no stream; try again, ever less often."""
        if not self._has_failed and not self._stop.is_set():
            log.warning("no change stream: work is polled", extra={"error": str(error)[:200]})
        self._has_failed = True
        self._pause_seconds = min(LONGEST_PAUSE_SECONDS, self._pause_seconds * 2)
