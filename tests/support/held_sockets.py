"""Real sockets of a daemon over transports in memory, and a hub that holds them."""

import asyncio
from collections.abc import Callable
from typing import Any

from websockets.http11 import Request, Response
from websockets.protocol import OPEN

from shared.domain.ids import ModuleHash, SessionId
from tests.support.builders import NOON, make_node
from wsd.background import Background
from wsd.connection import Connection, Surroundings
from wsd.hub import Hub
from wsd.metrics import Metrics
from wsd.protocol import WorkFrame
from wsd.session import SocketSession
from wsd.working_clock import WorkingClock

PEER = "192.0.2.7:50000"


class MemoryTransport(asyncio.Transport):
    """Keeps what is written; its end is what a test or the socket makes it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self.written = bytearray()
        self.is_cut = False
        self.is_paused = False
        self.unread_bytes = 0  # as if the peer had left so much of it

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take any amount."""

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def write_eof(self) -> None:
        """Nothing reads here."""

    def is_closing(self) -> bool:
        return self.is_cut

    def abort(self) -> None:
        if not self.is_cut:
            self.is_cut = True
            self._connection.connection_lost(None)


class HeldSockets:
    """One node's hub; its clock moves when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.clock = WorkingClock(lambda: self.seconds)
        self.metrics = Metrics()
        self.background = Background()
        self.hub = Hub(takeover_window_seconds=60)
        self.hub.node = make_node()
        self.hear: Callable[[Connection, WorkFrame], object] = lambda _connection, _frame: None
        self._surroundings = Surroundings(
            answer=_never_asked,
            release=self.hub.release,
            take_work_frame=lambda connection, frame: self.hear(connection, frame),
            clock=self.clock,
            metrics=self.metrics,
            background=self.background,
            max_message_bytes=1024,
        )

    def open(
        self, module_hash: str = "a" * 64, session: str = "session-1", epoch: int = 1
    ) -> Connection:
        """Return an open socket whose claim succeeded, and which the hub does not hold yet."""
        connection = Connection(self._surroundings)
        connection.connection_made(MemoryTransport(connection))
        connection.protocol.state = OPEN
        assert connection._deadline is not None
        connection._deadline.cancel()
        connection._deadline = None
        started = SocketSession(
            ModuleHash(module_hash), SessionId(session), PEER, NOON, self.clock.now()
        )
        connection.start_session(started, epoch)
        return connection

    def hold(
        self, module_hash: str = "a" * 64, session: str = "session-1", epoch: int = 1
    ) -> Connection:
        """Return a socket that the hub holds."""
        connection = self.open(module_hash, session, epoch)
        self.hub.hold(connection)
        return connection


async def _never_asked(_connection: Connection, _request: Request) -> Response:
    raise AssertionError("no handshake takes place here")


def close_code(connection: Connection) -> int | None:
    """Return the code with which the platform closed a socket."""
    sent = connection.protocol.close_sent
    return sent.code if sent is not None else None


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Return when the condition holds, while the event loop goes on."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
