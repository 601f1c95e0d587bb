"""One socket: feeds its session with frames and writes what the session answers."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, assert_never

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import CLOSED, CLOSING, OPEN, Event

from shared.domain.close_codes import CloseCode
from shared.domain.module import OfflineReason
from wsd.figures import HubFigures
from wsd.session import Ask, Close, Output, Patience, Phase, Reply, SocketSession

CLOSE_TIMEOUT_SECONDS = 2.0
POLITE = (1000, 1001)
OUTBOX_MAX_BYTES = 256 * 1024
# websockets only asks whether there has been a request.
FORGOTTEN = Request("", Headers())
BINARY_PROBLEM = "Binary frames are not understood: send text."

log = logging.getLogger(__name__)


class Holder(Protocol):
    """Who holds the connections: the hub, as far as a connection knows it."""

    figures: HubFigures

    def now(self) -> float:
        """Return the working time in seconds."""
        ...

    def ping_frame(self) -> bytes:
        """Return the question to a silent module."""
        ...

    def run_in_background(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something to its end while others go on."""
        ...

    def release(self, connection: "ModuleConnection", reason: OfflineReason) -> None:
        """End the connection's session."""
        ...


class ModuleConnection(ServerConnection):
    """A module's socket; frames are handled as they arrive, without a task to wake.

    That is what keeps a heartbeat cheap: websockets' own receive queue and keepalive task, one
    each per connection, stay unused.
    """

    def __init__(self, *args: Any, holder: Holder, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.holder = holder
        self.session: SocketSession | None = None
        self.epoch = 0
        self.is_lost = False
        self.heard_at = 0.0
        self.pinged_at = 0.0
        self._fragments: bytearray | None = None
        self._is_binary = False

    def adopt(self, session: SocketSession, epoch: int) -> None:
        """Become the socket of this session."""
        self.session = session
        self.epoch = epoch
        self.heard_at = self.pinged_at = self.holder.now()
        session.register(self.heard_at)

    def forget_handshake(self) -> None:
        """Let go of the request and the response: a sixth of an idle socket's memory."""
        self.request = FORGOTTEN
        self.response = None

    def note_epoch(self, epoch: int) -> None:
        """Learn that the session is stored with this epoch: a lost answer would have told."""
        self.epoch = max(self.epoch, epoch)

    def process_event(self, event: Event) -> None:
        """Take the request, then every frame, from websockets' protocol."""
        session = self.session
        if session is None or not isinstance(event, Frame):
            super().process_event(event)
            return
        now = self.heard_at = self.holder.now()
        self.holder.figures.frames += 1
        try:
            if event.opcode is Opcode.TEXT and event.fin:
                self._write(session.receive(bytes(event.data), now))
            elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._assemble(session, event, now)
            else:
                super().process_event(event)
        except Exception:
            log.exception("frame of session %s failed", session.session_id)
            self.end(CloseCode.INTERNAL_ERROR, OfflineReason.CONNECTION_LOST, "internal error")

    def _assemble(self, session: SocketSession, frame: Frame, now: float) -> None:
        """Collect a fragmented message; websockets bounds its size."""
        if frame.opcode is not Opcode.CONT:
            self._fragments = bytearray()
            self._is_binary = frame.opcode is Opcode.BINARY
        assert self._fragments is not None
        if not self._is_binary:
            self._fragments += frame.data
        if not frame.fin:
            return
        data, self._fragments = bytes(self._fragments), None
        if self._is_binary:
            self._write(session.receive_garbage(BINARY_PROBLEM, now))
        else:
            self._write(session.receive(data, now))

    def check(self, now: float, patience: Patience) -> None:
        """Have the session judge its module's silence."""
        if self.session is not None:
            self._write(self.session.check(now, patience))

    def _write(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            match output:
                case Reply(data):
                    self.send_now(data)
                case Ask.ALIVE:
                    self.send_now(self.holder.ping_frame())
                case Close(code, reason, text):
                    self._start_closing(code, reason, text)
                case _:
                    assert_never(output)

    def send_now(self, data: bytes) -> None:
        """Send a text frame without waiting; a peer that reads too slowly is closed."""
        if self.protocol.state is not OPEN:
            return
        self.protocol.send_text(data)
        self.send_data()
        if self.transport.get_write_buffer_size() > OUTBOX_MAX_BYTES:
            self.end(CloseCode.TRY_LATER, OfflineReason.CONNECTION_LOST, "reads too slowly")

    def ping_now(self, now: float) -> None:
        """Send a protocol ping; any frame that comes back moves `heard_at`."""
        self.pinged_at = now
        if self.protocol.state is OPEN:
            self.protocol.send_ping(b"")
            self.send_data()

    def end(self, code: CloseCode, reason: OfflineReason, text: str = "") -> None:
        """End the session now and close the socket in the background."""
        if self.session is not None:
            self._write(self.session.close(code, reason, text))

    def _start_closing(self, code: CloseCode, reason: OfflineReason, text: str) -> None:
        self.holder.release(self, reason)
        self.holder.run_in_background(self._close_within_limits(code, text))

    async def _close_within_limits(self, code: int, text: str) -> None:
        """Shake hands on the end; cut off a peer that does not hang up, or does not even read.

        websockets' own limit is not enough: a full outbox keeps it waiting for the peer before it
        looks at the time.
        """
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS + 1):
                await self.close(code, text)
        except TimeoutError:
            self.transport.abort()

    def hang_up(self) -> None:
        """End the session of a socket whose closing began elsewhere: by the peer, or by websockets.

        The peer may never finish it, so that nobody else would.
        """
        self.holder.release(self, self._reason_of_loss())
        self.holder.run_in_background(self._close_within_limits(CloseCode.NORMAL, ""))

    def is_closing(self) -> bool:
        """Return whether the closing handshake has begun, whoever began it."""
        return self.protocol.state in (CLOSING, CLOSED)

    def is_open(self) -> bool:
        """Return whether the handshake is done and nobody has begun to close."""
        return (
            self.protocol.state is OPEN
            and self.session is not None
            and self.session.phase is Phase.REGISTERED
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the TCP connection, whoever caused it."""
        self.is_lost = True
        super().connection_lost(exc)
        self.holder.release(self, self._reason_of_loss())

    def _reason_of_loss(self) -> OfflineReason:
        """Return `bye` for a peer that closed the socket politely."""
        received = self.protocol.close_rcvd
        if received is not None and self.protocol.close_rcvd_then_sent and received.code in POLITE:
            return OfflineReason.BYE
        return OfflineReason.CONNECTION_LOST
