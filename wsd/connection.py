"""One socket: feeds its session with frames and writes what the session answers."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, assert_never

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import CLOSED, CLOSING, OPEN, Event

from shared.clock import utc_now
from shared.domain.closing import INTERNAL_ERROR, SLOW_READER, Closing, OfflineReason
from wsd.background import Background
from wsd.metrics import Metrics
from wsd.protocol import encode_ping
from wsd.session import Ask, Close, Output, Phase, Reply, SilenceRules, SocketSession
from wsd.working_clock import WorkingClock

CLOSE_TIMEOUT_SECONDS = 2.0
POLITE = (1000, 1001)
OUTBOX_MAX_BYTES = 256 * 1024
# websockets only asks whether there has been a request.
FORGOTTEN = Request("", Headers())
BINARY_PROBLEM = "Binary frames are not understood: send text."

log = logging.getLogger(__name__)


class Release(Protocol):
    """What ends a connection's session: the hub's `release`."""

    def __call__(
        self,
        connection: "Connection",
        reason: OfflineReason,
        detail: Mapping[str, Any] | None = None,
    ) -> None: ...


class Connection(ServerConnection):
    """A module's socket; frames are handled as they arrive, without a task to wake."""

    def __init__(
        self,
        *args: Any,
        clock: WorkingClock,
        metrics: Metrics,
        background: Background,
        release: Release,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._clock = clock
        self._metrics = metrics
        self._background = background
        self._release = release
        self.session: SocketSession | None = None
        self.epoch = 0
        self.is_lost = False
        self.heard_at = 0.0
        self.pinged_at = 0.0
        self._fragments: bytearray | None = None
        self._is_binary = False

    @property
    def peer(self) -> str:
        """Return the address at the other end, as the handshake found it."""
        return self.session.peer if self.session else "unknown"

    def start_session(self, session: SocketSession, epoch: int) -> None:
        """Become the socket of this session."""
        self.session = session
        self.epoch = epoch
        self.heard_at = self.pinged_at = self._clock.now()
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
        now = self.heard_at = self._clock.now()
        self._metrics.frames += 1
        try:
            if event.opcode is Opcode.TEXT and event.fin:
                self._write(session.receive(bytes(event.data), now))
            elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._assemble(session, event, now)
            else:
                super().process_event(event)
        except Exception:
            log.exception("a frame failed", extra={"session": session.session_id})
            self.end(INTERNAL_ERROR)

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
            self._write(session.receive_invalid(BINARY_PROBLEM, now))
        else:
            self._write(session.receive(data, now))

    def check(self, now: float, rules: SilenceRules) -> None:
        """Have the session judge its module's silence."""
        if self.session is not None:
            self._write(self.session.check(now, rules))

    def _write(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            match output:
                case Reply(data):
                    self.send_now(data)
                case Ask.ALIVE:
                    self.send_now(encode_ping(utc_now()))
                case Close(closing, detail):
                    self._start_closing(closing, detail)
                case _:
                    assert_never(output)

    def send_now(self, data: bytes) -> None:
        """Send a text frame without waiting; a peer that reads too slowly is closed."""
        if self.protocol.state is not OPEN:
            return
        self.protocol.send_text(data)
        self.send_data()
        if self.transport.get_write_buffer_size() > OUTBOX_MAX_BYTES:
            self.end(SLOW_READER)

    def ping_now(self, now: float) -> None:
        """Send a protocol ping; any frame that comes back moves `heard_at`."""
        self.pinged_at = now
        if self.protocol.state is OPEN:
            self.protocol.send_ping(b"")
            self.send_data()

    async def answers_ping(self, timeout_seconds: float) -> bool:
        """Return whether the peer answers a ping sent now."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await (await self.ping())
        except (TimeoutError, ConnectionClosed):
            return False
        return True

    def end(self, closing: Closing) -> None:
        """End the session now and close the socket in the background."""
        if self.session is not None:
            self._write(self.session.close(closing))

    def _start_closing(self, closing: Closing, detail: Mapping[str, Any]) -> None:
        said = {"close_code": closing.code, "close_text": closing.text}
        self._release(self, closing.reason, said | dict(detail))
        self._background.run(self._close_within_limits(closing.code, closing.text))

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
        """End the session of a socket whose closing began elsewhere, and abort it if that takes."""
        self._release(self, *self._reason_of_loss())
        self._background.run(self._close_within_limits(1000, ""))

    def abort(self) -> None:
        """Cut the connection off: the other end does not answer any more."""
        self.transport.abort()

    def is_closing(self) -> bool:
        """Return whether the closing handshake has begun, from either side."""
        return self.protocol.state in (CLOSING, CLOSED)

    def is_open(self) -> bool:
        """Return whether the handshake is done and no closing has begun."""
        return (
            self.protocol.state is OPEN
            and self.session is not None
            and self.session.phase is Phase.REGISTERED
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the TCP connection."""
        self.is_lost = True
        super().connection_lost(exc)
        self._release(self, *self._reason_of_loss())

    def _reason_of_loss(self) -> tuple[OfflineReason, Mapping[str, Any]]:
        """Return `bye` for a peer that closed the socket politely, and the code that was used."""
        received, sent = self.protocol.close_rcvd, self.protocol.close_sent
        if received is not None and self.protocol.close_rcvd_then_sent:
            is_polite = received.code in POLITE
            reason = OfflineReason.BYE if is_polite else OfflineReason.CONNECTION_LOST
            return reason, {"close_code": received.code, "close_text": received.reason}
        if sent is not None:
            return OfflineReason.CONNECTION_LOST, {
                "close_code": sent.code,
                "close_text": sent.reason,
            }
        return OfflineReason.CONNECTION_LOST, {}
