"""The daemon's life: startup, serve, shutdown."""

import asyncio
import logging
import signal
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from shared.clock import utc_now
from shared.domain.closing import RESTART, OfflineReason
from shared.domain.node import Node, node_address
from shared.domain.session import SessionEnd
from shared.services.nodes import announce_retirement, retire_node
from shared.settings import Settings
from shared.store import connect
from shared.store.errors import DatabaseError
from wsd.admission import Admission
from wsd.background import Background
from wsd.connection import Connection, Surroundings
from wsd.database import Database
from wsd.handshake import Handshake
from wsd.hub import Hub
from wsd.lease import LeaseKeeper, LeaseTimes
from wsd.loops.command_poll import CommandPoll
from wsd.loops.heartbeat_flush import HeartbeatFlush
from wsd.loops.heartbeat_monitor import HeartbeatMonitor
from wsd.loops.node_monitor import NodeMonitor
from wsd.loops.reconciler import Reconciler
from wsd.loops.runner import Loop
from wsd.machine_id import read_machine_id
from wsd.metrics import Metrics
from wsd.session import SilenceRules
from wsd.session_writer import SessionWriter
from wsd.takeover_probe import ProbeTimes, TakeoverProbe
from wsd.work_parts import WorkParts
from wsd.working_clock import WorkingClock

BACKLOG = 4096
# The whole shutdown takes 6 s at most; each step has its share of it.
STOP_WRITING_SECONDS = 1.5
FIX_REASON_SECONDS = 1.0
CLOSE_ALL_SECONDS = 1.5
SHUTDOWN_SECONDS = 5.0
CLOSE_STORES_SECONDS = 0.5

log = logging.getLogger(__name__)


class Daemon:
    """One wsd process: a server, the sockets that it holds, a lease, and the loops around them."""

    def __init__(self, settings: Settings, index: int) -> None:
        self._settings = settings
        self._port = settings.wsd_port + index
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        # The batches of claims have a thread of their own: no sweep or flush makes them wait.
        store = connect(settings)
        self._database = Database(store, threads=3, name="store")
        self._batches = Database(store, threads=1, name="batches")
        self._lease_store = connect(settings, maxPoolSize=2)
        self._background = Background()
        self._clock = WorkingClock()
        self._metrics = Metrics()
        self._hub = Hub(settings.takeover_window_seconds)
        self._writer = SessionWriter(self._batches, self._hub.view, self._metrics)
        self._flush = HeartbeatFlush(self._hub, self._database, self._clock, self._metrics)
        self._work = WorkParts(settings, self._hub, self._database, self._flush, self._metrics)
        self._probe = self._make_probe()
        self._admission = Admission(
            self._hub, self._writer, self._probe, self._database, self._clock, self._background
        )
        self._lease = self._make_lease_keeper()
        self._hub.on_session_start += [self._count_start, self._work.begin]
        self._hub.on_session_end += [
            self._count_end,
            self._flush.keep_last_heartbeat,
            self._write_end,
        ]

    def _make_probe(self) -> TakeoverProbe:
        settings = self._settings
        return TakeoverProbe(
            self._hub,
            self._database,
            self._background,
            ProbeTimes(
                answer_seconds=settings.takeover_probe_seconds,
                command_poll_seconds=settings.command_poll_seconds,
            ),
        )

    def _make_lease_keeper(self) -> LeaseKeeper:
        settings = self._settings
        return LeaseKeeper(
            self._lease_store,
            name=f"{settings.node_name}:{self._port}",
            address=node_address(settings.node_name, read_machine_id(settings.var_dir), self._port),
            times=LeaseTimes(
                lease_seconds=settings.lease_seconds, renew_seconds=settings.lease_renew_seconds
            ),
            count_sessions=lambda: len(self._hub.by_session),
            on_enrolled=self._on_enrolled,
        )

    def _count_start(self, _connection: Connection) -> None:
        self._metrics.sessions_started += 1

    def _count_end(self, _connection: Connection, _end: SessionEnd) -> None:
        self._metrics.sessions_ended += 1

    def _write_end(self, connection: Connection, end: SessionEnd) -> None:
        end = self._work.release(connection, end)
        if not self._hub.is_stopping:  # a stopping node ends all its sessions in `_retire`
            self._writer.end(end)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; raises OSError when the port is taken."""
        server = await self.startup()
        await self.serve()
        await self.shutdown(server)

    async def startup(self) -> asyncio.Server:
        """Bind the port, then enrol: the process that holds the port is the node."""
        loop = asyncio.get_running_loop()
        self._loop = loop
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        handshake = Handshake(
            self._hub,
            self._admission,
            self._lease,
            self._metrics,
            self._clock,
            lease_seconds=self._settings.lease_seconds,
        )
        around = Surroundings(
            answer=handshake.answer,
            release=self._hub.release,
            take_work_frame=self._work.take_frame,
            clock=self._clock,
            metrics=self._metrics,
            background=self._background,
            max_message_bytes=self._settings.websocket_max_message_bytes,
        )
        server = await loop.create_server(
            lambda: Connection(around), self._settings.wsd_host, self._port, backlog=BACKLOG
        )
        self._start_writers()
        self._start_loops()
        self._lease.start()
        self._work.start()
        log.info("listening", extra={"host": self._settings.wsd_host, "port": self._port})
        return server

    def _start_writers(self) -> None:
        self._writing = asyncio.create_task(self._writer.run())
        self._keeping = asyncio.create_task(self._work.inbox.run())
        for writing in (self._writing, self._keeping):
            writing.add_done_callback(self._stop_without_writer)

    def _start_loops(self) -> None:
        settings = self._settings
        commands = CommandPoll(
            self._hub,
            self._database,
            self._probe,
            self._background,
            is_changing=self._admission.is_changing,
            closes_per_tick=settings.closes_per_second,
        )
        nodes = self._make_node_monitor()
        reconciler = Reconciler(
            self._hub,
            self._database,
            self._admission,
            self._writer,
            commands,
            self._clock,
            self._background,
            interval_seconds=settings.websocket_ping_interval_seconds,
        )
        monitor = self._make_heartbeat_monitor()
        self._reconciling = Loop("reconciler", settings.reconcile_seconds, reconciler.tick)
        monitor.on_tick += [self._lease.note_tick, self._admission.forget_old_refusals]
        monitor.on_freeze += [
            self._lease.renew_soon,  # the own lease is looked after before anything else
            self._admission.forget_all_refusals,
            nodes.forget,
            self._reconciling.wake,
        ]
        watch_seconds = min(2.0, settings.lease_seconds / 10)
        loops = (
            Loop("heartbeat monitor", monitor.seconds, monitor.tick),
            Loop("heartbeat flush", settings.heartbeat_flush_seconds, self._flush.tick),
            Loop("command poll", settings.command_poll_seconds, commands.tick),
            Loop("node monitor", watch_seconds, nodes.tick),
            *self._work.make_loops(),
            self._reconciling,
        )
        self._tasks = [asyncio.create_task(loop.run()) for loop in loops]

    def _make_node_monitor(self) -> NodeMonitor:
        settings = self._settings
        return NodeMonitor(
            self._hub,
            self._database,
            self._clock,
            lease_seconds=settings.lease_seconds,
            freeze_seconds=settings.freeze_seconds,
        )

    def _make_heartbeat_monitor(self) -> HeartbeatMonitor:
        settings = self._settings
        return HeartbeatMonitor(
            self._hub,
            self._clock,
            self._metrics,
            SilenceRules(
                interval_seconds=settings.websocket_ping_interval_seconds,
                timeout_seconds=settings.websocket_timeout_seconds,
            ),
            protocol_ping_seconds=settings.protocol_ping_seconds,
            closes_per_second=settings.closes_per_second,
            freeze_seconds=settings.freeze_seconds,
            freeze_grace_seconds=settings.freeze_grace_seconds,
        )

    def _stop_without_writer(self, writing: "asyncio.Task[None]") -> None:
        """End the process when a writer died: supervisord starts a whole one."""
        if not writing.cancelled() and (error := writing.exception()):
            log.error("a writer died", exc_info=error)
            self._stop.set()

    def _on_enrolled(self, node: Node) -> None:
        """Take the node's new id into the event loop (called by the lease's thread)."""

        def take() -> None:
            self._hub.become(node)
            self._reconciling.wake()

        self._loop.call_soon_threadsafe(take)

    async def serve(self) -> None:
        """Wait for the signal."""
        await self._stop.wait()

    async def shutdown(self, server: asyncio.Server) -> None:
        """Stop accepting, end every session as `platform_restart`, close every socket."""
        log.info("stopping", extra={"sessions": len(self._hub.by_session)})
        self._hub.is_stopping = True
        self._work.stream.stop()
        self._work.inbox.keeps_acks = False
        server.close()
        for task in self._tasks:
            task.cancel()
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await asyncio.gather(self._database.run(self._lease.stop), self._stop_writing())
                is_said = await self._fix_reason()
                writing = [self._flush_last_heartbeats(), self._retire()] if is_said else []
                await asyncio.gather(self._close_all(), *writing)
                await self._keep_last_results()
                await self._background.wait()
        except TimeoutError:
            log.warning("stopped before everything was written; the next sweep ends the rest")
        closing: list[Coroutine[Any, Any, None]] = [
            self._database.run(store.close) for store in (self._database.store, self._lease_store)
        ]
        await asyncio.wait(map(asyncio.ensure_future, closing), timeout=CLOSE_STORES_SECONDS)
        for threads in (self._database, self._batches, self._work):
            threads.close()

    async def _stop_writing(self) -> None:
        """Let the batch in flight end, and write what waits, so that no claim lands later."""
        self._writer.stop()
        await asyncio.wait([self._writing], timeout=STOP_WRITING_SECONDS)

    async def _keep_last_results(self) -> None:
        """Store what modules said before their sockets closed."""
        self._work.inbox.stop()
        await asyncio.wait([self._keeping], timeout=STOP_WRITING_SECONDS)

    async def _fix_reason(self) -> bool:
        """Announce that this node leaves before a socket closes: a module that comes back takes over.

        False when that was not stored: a later sweep ends the sessions.
        """
        if self._hub.node is None:
            return False
        self._hub.node = replace(self._hub.node, offline_reason=OfflineReason.PLATFORM_RESTART)
        try:
            async with asyncio.timeout(FIX_REASON_SECONDS):
                await self._database.run(
                    announce_retirement, self._database.store, self._hub.node, utc_now()
                )
        except (TimeoutError, DatabaseError) as error:
            log.warning("the retirement is not announced", extra={"error": type(error).__name__})
            return False
        return True

    async def _retire(self) -> None:
        node = self._hub.node
        assert node is not None
        try:
            while await self._database.run(retire_node, self._database.store, node, utc_now()):
                pass
        except DatabaseError as error:
            log.warning("the next sweep ends the sessions", extra={"error": type(error).__name__})

    async def _flush_last_heartbeats(self) -> None:
        """Write down the last heartbeats, one last time."""
        try:
            await self._flush.tick()
        except DatabaseError as error:
            log.warning("the last heartbeats are lost", extra={"error": type(error).__name__})

    async def _close_all(self) -> None:
        """Close the sockets in paced slices: modules that were closed at once would come back at once."""
        connections = list(self._hub.by_session.values())
        steps = CLOSE_ALL_SECONDS / 0.1
        size = max(int(self._settings.closes_per_second * 0.1), int(len(connections) / steps), 1)
        for start in range(0, len(connections), size):
            for connection in connections[start : start + size]:
                connection.end(RESTART)
            await asyncio.sleep(0.1)
        while connections:
            connections = [c for c in connections if not c.is_lost]
            await asyncio.sleep(0.05)
