"""Listens to the change stream of work, in a thread with a client of its own; it only wakes."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from shared.domain.ids import NodeId
from shared.store import Store
from shared.store.errors import DatabaseError
from shared.store.work_changes import WorkChange

FIRST_PAUSE_SECONDS = 0.5  # doubled after each failure
LONGEST_PAUSE_SECONDS = 60.0
# The embedded server spends 0.2 ms on each change that the stream passes over, and a message changes
# three times: while many are pushed, polls are cheaper.
REST_SECONDS = 0.5

log = logging.getLogger(__name__)


class WorkStream:
    """Wakes the dispatcher when the database tells of work for this node; the poll needs none of it.

    `on_change` is called in the stream's thread, with None for what a stream may have missed that was
    opened anew.
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
        self._is_listening = False
        self._rests_until = float("-inf")

    @property
    def is_open(self) -> bool:
        """Return whether changes are told at once."""
        return self._is_listening and not self._seconds_of_rest()

    def rest(self) -> None:
        """Close the stream for a moment: much is pushed."""
        self._rests_until = time.monotonic() + REST_SECONDS

    def _seconds_of_rest(self) -> float:
        return max(0.0, self._rests_until - time.monotonic())

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
            if rest_seconds := self._seconds_of_rest():
                self._stop.wait(rest_seconds)
                continue
            if nodes := tuple(self._read_nodes()):
                self._listen(nodes)
            self._is_listening = False
            self._stop.wait(self._pause_seconds)

    def _listen(self, nodes: tuple[NodeId, ...]) -> None:
        """Listen until it is to rest, the node has another id, the stream ends, or the process."""
        try:
            for change in self._store.work_changes.watch(nodes, lambda: self._is_wanted(nodes)):
                if not self._is_listening:
                    self._note_open()
                if change is not None:
                    self._on_change(change)
            self._pause_seconds = FIRST_PAUSE_SECONDS
        except DatabaseError as error:
            self._note_failure(error)

    def _is_wanted(self, nodes: tuple[NodeId, ...]) -> bool:
        is_over = self._stop.is_set() or self._seconds_of_rest() > 0
        return not is_over and tuple(self._read_nodes()) == nodes

    def _note_open(self) -> None:
        if self._has_failed:
            log.info("the change stream is open again")
        self._has_failed, self._is_listening = False, True
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._on_change(None)

    def _note_failure(self, error: DatabaseError) -> None:
        """Say once that there is no stream; try again, ever less often."""
        if not self._has_failed and not self._stop.is_set():
            log.warning("no change stream: work is polled", extra={"error": str(error)[:200]})
        self._has_failed = True
        self._pause_seconds = min(LONGEST_PAUSE_SECONDS, self._pause_seconds * 2)
