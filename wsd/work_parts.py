"""What a daemon does about work: the parts that push it, and that write what modules say of it."""

import asyncio
from contextlib import suppress

from shared.domain.ids import NodeId
from shared.settings import Settings
from shared.store import connect
from shared.store.work_changes import WorkChange
from wsd.database import Database
from wsd.dispatcher import Dispatcher
from wsd.hub import Hub
from wsd.inbox import Inbox
from wsd.loops.heartbeat_flush import HeartbeatFlush
from wsd.loops.progress_flush import ProgressFlush
from wsd.loops.runner import Loop
from wsd.metrics import Metrics
from wsd.work_frames import WorkFrames
from wsd.work_stream import WorkStream


class WorkParts:
    """The dispatcher, the inbox and the change stream of one process.

    Deliveries, and what modules say of them, have a thread of their own each: no sweep or flush
    makes them wait.
    """

    def __init__(
        self,
        settings: Settings,
        hub: Hub,
        database: Database,
        flush: HeartbeatFlush,
        metrics: Metrics,
    ) -> None:
        self._hub = hub
        self._poll_seconds = settings.command_poll_seconds
        self._deliveries = Database(database.store, threads=1, name="deliveries")
        self._words = Database(database.store, threads=1, name="words")
        self.inbox = Inbox(self._words, metrics)
        self.inbox.on_stored.append(flush.note_execution)
        self._progress = ProgressFlush(database)
        self._dispatcher = Dispatcher(
            hub,
            self._deliveries,
            self.inbox,
            poll_seconds=settings.command_poll_seconds,
            round_seconds=settings.reconcile_seconds,
        )
        self.begin = self._dispatcher.begin
        self.release = self._dispatcher.release
        self.take_frame = WorkFrames(self._dispatcher, self.inbox, self._progress).take
        self.stream = WorkStream(connect(settings, maxPoolSize=2), self._own_ids, self._hear_change)
        self._dispatcher.is_stream_open = lambda: self.stream.is_open
        self._dispatcher.rest_stream = self.stream.rest

    def start(self) -> None:
        """Start listening to the change stream."""
        self._loop = asyncio.get_running_loop()
        self.stream.start()

    def make_loops(self) -> tuple[Loop, ...]:
        """Return the loops around the parts."""
        dispatching = Loop("dispatcher", self._poll_seconds, self._dispatcher.tick)
        self._dispatcher.wake = dispatching.wake
        return (
            Loop("inbox", 1.0, self.inbox.keep_held_alive),
            Loop("progress flush", 1.0, self._progress.tick),
            dispatching,
        )

    def close(self) -> None:
        """End the threads."""
        for threads in (self._deliveries, self._words):
            threads.close()

    def _own_ids(self) -> list[NodeId]:
        """Return the ids under which senders may know this node (called by the stream's thread)."""
        node = self._hub.node
        return [node.id, *self._hub.former_ids] if node else []

    def _hear_change(self, change: WorkChange | None) -> None:
        """Take a change into the event loop (called by the stream's thread)."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._dispatcher.hear_news, change)
