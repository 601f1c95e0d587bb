"""The daemon's life: startup, serve, shutdown."""

import asyncio
import logging
import signal
from dataclasses import replace
from functools import partial
from typing import cast

from websockets.asyncio.server import Server, ServerConnection, serve

from shared.clock import utc_now
from shared.domain.close_codes import CloseCode
from shared.domain.liveness import Node
from shared.domain.module import OfflineReason
from shared.services.nodes import announce_retirement, retire_node
from shared.settings import Settings
from shared.store import DatabaseError, connect
from wsd.bridge import Bridge
from wsd.connection import CLOSE_TIMEOUT_SECONDS, ModuleConnection
from wsd.handshake import Gate
from wsd.hub import Hub
from wsd.lease import LeaseKeeper, LeaseTimes
from wsd.loops import run_every
from wsd.reconciliation import Reconciliation
from wsd.rounds import NodeRound, OrderRound, PulseFlush, Purge
from wsd.vigil import Vigil

BACKLOG = 4096
OPEN_TIMEOUT_SECONDS = 12.0
PURGE_SECONDS = 60.0
# The whole shutdown takes 6 s at most; each step has its share of it.
STOP_WRITING_SECONDS = 1.5
FIX_REASON_SECONDS = 1.0
CLOSE_ALL_SECONDS = 1.5
SHUTDOWN_SECONDS = 5.0
CLOSE_STORES_SECONDS = 0.5

log = logging.getLogger(__name__)


class Daemon:
    """One wsd process: a server, a hub, a lease, and the loops around them."""

    def __init__(self, settings: Settings, index: int) -> None:
        self._settings = settings
        self._port = settings.wsd_port + index
        self._stop = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._reconcile_soon = asyncio.Event()
        self._bridge = Bridge()
        self._stores = (connect(settings), connect(settings, maxPoolSize=2))
        self._hub = Hub(settings, self._stores[0], self._bridge)
        self._pulses = PulseFlush(self._hub)
        self._keeper = LeaseKeeper(
            self._stores[1],
            address=f"{settings.node_name}:{self._port}",
            times=LeaseTimes(
                lease_seconds=settings.lease_seconds, renew_seconds=settings.lease_renew_seconds
            ),
            count_sessions=lambda: len(self._hub.by_session),
            on_enrolled=self._on_enrolled,
        )

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; raises OSError when the port is taken."""
        server = await self.startup()
        await self.serve()
        await self.shutdown(server)

    async def startup(self) -> Server:
        """Bind the port, then enrol: whoever holds the port is the node."""
        loop = asyncio.get_running_loop()
        self._loop = loop
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        server = await serve(
            _wait_until_lost,
            self._settings.wsd_host,
            self._port,
            process_request=Gate(self._hub, self._keeper).process_request,
            create_connection=cast(
                "type[ServerConnection]", partial(ModuleConnection, holder=self._hub)
            ),
            compression=None,
            server_header=None,
            open_timeout=OPEN_TIMEOUT_SECONDS,
            close_timeout=CLOSE_TIMEOUT_SECONDS,
            ping_interval=None,
            max_size=self._settings.websocket_max_message_bytes,
            backlog=BACKLOG,
        )
        self._keeper.start()
        self._start_loops()
        log.info("listening on %s:%d", self._settings.wsd_host, self._port)
        return server

    def _start_loops(self) -> None:
        hub, settings = self._hub, self._settings
        nodes, orders = NodeRound(hub), OrderRound(hub)

        def on_freeze() -> None:
            nodes.forget()
            self._reconcile_soon.set()

        vigil = Vigil(hub, self._keeper, on_freeze)
        reconciliation = Reconciliation(hub, orders)
        watch_seconds = min(2.0, settings.lease_seconds / 10)
        self._writing = asyncio.create_task(hub.writer.run())
        self._writing.add_done_callback(self._stop_without_writer)
        self._loops = [
            asyncio.create_task(loop)
            for loop in (
                run_every("vigil", vigil.seconds, vigil.tick),
                run_every("pulse flush", settings.pulse_flush_seconds, self._pulses.tick),
                run_every("orders", settings.orders_poll_seconds, orders.tick),
                run_every("nodes", watch_seconds, nodes.tick),
                run_every("purge", PURGE_SECONDS, Purge(hub).tick),
                run_every(
                    "reconciliation",
                    settings.reconcile_seconds,
                    reconciliation.tick,
                    self._reconcile_soon,
                ),
            )
        ]

    def _stop_without_writer(self, writing: "asyncio.Task[None]") -> None:
        """End the process when its writer died: supervisord starts a whole one."""
        if not writing.cancelled() and (error := writing.exception()):
            log.error("the writer died", exc_info=error)
            self._stop.set()

    def _on_enrolled(self, node: Node) -> None:
        """Take the node's new id into the event loop (called by the lease's thread)."""

        def take() -> None:
            self._hub.node = node
            self._reconcile_soon.set()

        self._loop.call_soon_threadsafe(take)

    async def serve(self) -> None:
        """Wait for the signal."""
        await self._stop.wait()

    async def shutdown(self, server: Server) -> None:
        """Stop accepting, end every session as `platform_restart`, close every socket."""
        log.info("stopping with %d sessions", len(self._hub.by_session))
        self._hub.is_closing = True
        server.close(close_connections=False)
        for loop in self._loops:
            loop.cancel()
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await asyncio.gather(self._bridge.run(self._keeper.stop), self._stop_writing())
                is_said = await self._fix_reason()
                writing = [self._flush(), self._retire()] if is_said else []
                await asyncio.gather(self._close_all(), *writing)
                await self._hub.wait_for_background()
        except TimeoutError:
            log.warning("stopped before everything was written; the next sweep ends the rest")
        closing = [asyncio.ensure_future(self._bridge.run(store.close)) for store in self._stores]
        await asyncio.wait(closing, timeout=CLOSE_STORES_SECONDS)
        self._bridge.close()

    async def _stop_writing(self) -> None:
        """Let the batch in flight end, and write what waits, so that no claim lands later."""
        self._hub.writer.stop()
        await asyncio.wait([self._writing], timeout=STOP_WRITING_SECONDS)

    async def _fix_reason(self) -> bool:
        """Say that this node leaves before a socket closes: who comes back at once takes over.

        False when nobody heard it: whoever sweeps later ends the sessions.
        """
        if self._hub.node is None:
            return False
        self._hub.node = replace(self._hub.node, offline_reason=OfflineReason.PLATFORM_RESTART)
        try:
            async with asyncio.timeout(FIX_REASON_SECONDS):
                await self._bridge.run(announce_retirement, self._hub.store, self._hub.node)
        except (TimeoutError, DatabaseError) as error:
            log.warning("leaving without saying so: %s", type(error).__name__)
            return False
        return True

    async def _retire(self) -> None:
        node = self._hub.node
        assert node is not None
        try:
            while await self._bridge.run(retire_node, self._hub.store, node, utc_now()):
                pass
        except DatabaseError as error:
            log.warning("the next sweep ends the sessions: %s", type(error).__name__)

    async def _flush(self) -> None:
        """Write down when the modules last spoke, one last time."""
        try:
            await self._pulses.tick()
        except DatabaseError as error:
            log.warning("the last pulses are lost: %s", type(error).__name__)

    async def _close_all(self) -> None:
        """Close the sockets in paced slices: everybody at once would come back at once."""
        connections = list(self._hub.by_session.values())
        steps = CLOSE_ALL_SECONDS / 0.1
        size = max(int(self._settings.closes_per_second * 0.1), int(len(connections) / steps), 1)
        for start in range(0, len(connections), size):
            for connection in connections[start : start + size]:
                connection.end(
                    CloseCode.RESTART, OfflineReason.PLATFORM_RESTART, "platform restart"
                )
            await asyncio.sleep(0.1)


async def _wait_until_lost(connection: ServerConnection) -> None:
    """Keep websockets' handler task until the socket is gone: frames need no task."""
    assert isinstance(connection, ModuleConnection)
    connection.forget_handshake()
    await connection.wait_closed()
