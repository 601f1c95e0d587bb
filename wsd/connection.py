"""One socket: feeds its session with frames and writes what the session answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, assert_never, cast

from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CLOSING, CONNECTING, OPEN, SEND_EOF

from shared.clock import utc_now
from shared.domain.actor import PLATFORM, Actor
from shared.domain.closing import INTERNAL_ERROR, SLOW_READER, Closing, OfflineReason
from shared.errors import InvalidData
from wsd.background import Background
from wsd.metrics import Metrics
from wsd.protocol import WorkFrame, encode_ping
from wsd.server_protocol import SocketProtocol, refuse
from wsd.session import Ask, Close, Hand, Output, Phase, Reply, SilenceRules, SocketSession
from wsd.work import SessionWork
from wsd.working_clock import WorkingClock

OPEN_TIMEOUT_SECONDS = 12.0
CLOSE_TIMEOUT_SECONDS = 2.0
HANDSHAKE_MAX_BYTES = 64 * 1024
OUTBOX_MAX_BYTES = 2**20
OUTBOX_SPARE_BYTES = 64 * 1024
# What is handled of one socket before the others have their turn: some 300 of the smallest frames.
TURN_BYTES = 4096
POLITE = (1000, 1001, 1005)  # 1005: no code, as of a browser's ws.close()
PROBE = b"probe"
BINARY_PROBLEM = "Binary frames are not understood: send text."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all sockets of a process share: the calls that admit, release and hear them, clock."""

    answer: Callable[["Connection", Request], Awaitable[Response]]
    release: Callable[["Connection", OfflineReason, Mapping[str, Any]], None]
    take_work_frame: Callable[["Connection", WorkFrame], None]
    clock: WorkingClock
    metrics: Metrics
    background: Background
    max_message_bytes: int


@dataclass(eq=False, slots=True)
class Connection(asyncio.Protocol):
    """A module's socket; frames are handled as they arrive, without a task to wake."""

    _around: Surroundings
    protocol: SocketProtocol = field(init=False)
    session: SocketSession | None = None
    work: SessionWork | None = None  # made when there is any
    epoch: int = 0
    ended_by: Actor = PLATFORM  # or the operator whose command ends it
    is_lost: bool = False
    heard_at: float = 0.0
    pinged_at: float = 0.0
    judge_at: float = 0.0
    _transport: asyncio.Transport = field(init=False)
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _deadline: asyncio.TimerHandle | None = None
    _pong: asyncio.Future[bool] | None = None
    _closing: Closing | None = None
    _request_bytes: int = 0
    _early: bytearray | None = None  # what came behind a request that is not answered yet
    _fragments: bytearray | None = None
    _is_binary: bool = False
    _has_rest: bool = False  # of what was read, to be taken in a later turn
    _is_held: bool = False

    def __post_init__(self) -> None:
        self.protocol = SocketProtocol(self._around.max_message_bytes)

    @property
    def peer(self) -> str:
        """Return the address at the other end, as the handshake found it."""
        return self.session.peer if self.session else "unknown"

    @property
    def remote_address(self) -> tuple[str, int] | None:
        """Return host and port at the other end of the TCP connection."""
        address = self._transport.get_extra_info("peername")
        return (address[0], address[1]) if address else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the peer its time to ask for a socket."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        self._loop = asyncio.get_running_loop()
        self._transport.set_write_buffer_limits(high=OUTBOX_MAX_BYTES)
        self._deadline = self._loop.call_later(OPEN_TIMEOUT_SECONDS, self._transport.abort)

    def _read_request(self, data: bytes) -> None:
        """Have the request answered once it is complete; refuse what becomes none."""
        protocol = self.protocol
        self._request_bytes += len(data)
        while data and self._early is None:  # by lines: what follows the request has to wait
            line, newline, data = data.partition(b"\n")
            protocol.receive_data(line + newline)
            for request in protocol.events_received():
                self._early = bytearray(data)
                self._around.background.run(self._answer(cast(Request, request)))
        if self._request_bytes > HANDSHAKE_MAX_BYTES and not protocol.eof_sent:
            protocol.send_response(protocol.reject(431, "The request is larger than 64 KiB."))
        elif protocol.writes == [SEND_EOF]:
            self._transport.write(refuse(InvalidData("This is no HTTP/1.1 request.")).serialize())
        self._flush()

    async def _answer(self, request: Request) -> None:
        response = await self._around.answer(self, request)
        if self.is_lost or self.protocol.state is not CONNECTING or self.protocol.eof_sent:
            return
        assert self._deadline is not None
        self._deadline.cancel()
        self._deadline = None
        self.protocol.send_response(response)
        self._flush()
        if self._closing is not None:
            self._say_close(self._closing)
        early, self._early = bytes(self._early or b""), None
        self._go_on(early)

    def start_session(self, session: SocketSession, epoch: int) -> None:
        """Become the socket of this session."""
        self.session = session
        self.epoch = epoch
        self.heard_at = self.pinged_at = self._around.clock.now()
        session.register(self.heard_at)

    def note_epoch(self, epoch: int) -> None:
        """Learn that the session is stored with this epoch: a lost answer would have told."""
        self.epoch = max(self.epoch, epoch)

    def data_received(self, data: bytes) -> None:
        """Take bytes: a part of the request, or frames."""
        if self._early is not None:
            self._early += data
            if len(self._early) > HANDSHAKE_MAX_BYTES:
                self._transport.pause_reading()
            return
        if len(data) > TURN_BYTES:
            self._transport.pause_reading()
            self._has_rest = True
            self._loop.call_soon(self._go_on, data[TURN_BYTES:])
            data = data[:TURN_BYTES]
        protocol = self.protocol
        if self.session is None or protocol.state is CONNECTING:
            self._read_request(data)
            return
        protocol.receive_data(data)
        around, session = self._around, self.session
        self.heard_at = around.clock.now()
        frames: list[Any] = protocol.events_received()
        around.metrics.frames += len(frames)
        try:
            for frame in frames:
                self._take(session, frame)
        except Exception:
            log.exception("a frame failed", extra={"session": self.session.session_id})
            self.end(INTERNAL_ERROR)
        if protocol.writes:
            self._flush()

    def _go_on(self, data: bytes) -> None:
        """Take the rest of what was read; nothing more is read until it is all taken."""
        self._has_rest = False
        if not self.is_lost:
            if not self._is_held:
                self._transport.resume_reading()
            self.data_received(data)

    def hold_reading(self) -> None:
        """Read no more for now: what came before is not stored yet."""
        if not self._is_held and not self.is_lost:
            self._is_held = True
            self._transport.pause_reading()

    def release_reading(self) -> None:
        """Read on."""
        if self._is_held:
            self._is_held = False
            if not self._has_rest and not self.is_lost:
                self._transport.resume_reading()

    def note_life(self) -> None:
        """Count a socket as alive that is not read because the platform cannot keep up."""
        self.heard_at = self._around.clock.now()
        if self.session is not None:
            self.session.last_heartbeat_at = self.heard_at

    def _take(self, session: SocketSession, frame: Frame) -> None:
        """Hand a whole message to the session; websockets bounds what fragments add up to."""
        data, opcode = frame.data, frame.opcode
        if opcode is Opcode.TEXT and frame.fin:
            self._write(session.receive(bytes(data), self.heard_at))
        elif opcode is Opcode.PONG and data == PROBE:
            self._settle_probe(is_answered=True)
        elif opcode in DATA_OPCODES:
            self._assemble(session, frame)

    def _assemble(self, session: SocketSession, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._fragments, self._is_binary = bytearray(), frame.opcode is Opcode.BINARY
        assert self._fragments is not None
        self._fragments += frame.data
        if not frame.fin:
            return
        data, self._fragments = bytes(self._fragments), None
        if self._is_binary:
            self._write(session.receive_invalid(BINARY_PROBLEM, self.heard_at))
        else:
            self._write(session.receive(data, self.heard_at))

    def eof_received(self) -> None:
        """Let the transport close: a peer that cannot send any more is no module."""
        self.protocol.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the TCP connection."""
        self.is_lost = True
        self.protocol.receive_eof()
        if self._deadline is not None:
            self._deadline.cancel()
        self._settle_probe(is_answered=False)
        self._let_go()
        self.protocol.forget()

    def check(self, now: float, rules: SilenceRules) -> None:
        """Have the session judge its module's silence."""
        if self.session is not None:
            self._write(self.session.check(now, rules))

    def _write(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            # Nearly always a reply; a `match` over the kinds takes as long as all the rest.
            if isinstance(output, Reply):
                self.send_now(output.data)
            elif isinstance(output, Close):
                self._start_closing(output.closing, output.detail)
            elif isinstance(output, Hand):
                self._around.take_work_frame(self, output.frame)
            elif output is Ask.ALIVE:
                self.send_now(encode_ping(utc_now()))
            else:
                assert_never(output)

    def send_now(self, data: bytes) -> None:
        """Send a text frame without waiting."""
        if self.protocol.state is OPEN and not self._transport.is_closing():
            self._transport.write(_text_frame(data))

    def send_work(self, data: bytes) -> None:
        """Send a piece of work; the outbox grows with it, a slow reader's replies do not."""
        if self.protocol.state is OPEN and not self._transport.is_closing():
            bound = self.outbox_bytes() + len(data) + OUTBOX_SPARE_BYTES
            self._transport.set_write_buffer_limits(high=max(OUTBOX_MAX_BYTES, bound))
            self._transport.write(Frame(Opcode.TEXT, data).serialize(mask=False))

    def outbox_bytes(self) -> int:
        """Return how much the peer has not read yet."""
        return self._transport.get_write_buffer_size()

    def pause_writing(self) -> None:
        """Close the socket of a peer that reads too slowly: the outbox is full."""
        self.end(SLOW_READER)

    def ping_now(self, now: float) -> None:
        """Send a protocol ping; any frame that comes back moves `heard_at`."""
        self.pinged_at = now
        self._ping(b"")

    async def answers_ping(self, timeout_seconds: float) -> bool:
        """Return whether the peer answers a ping sent now."""
        if not self.is_open():
            return False
        pong = self._pong = self._pong or self._loop.create_future()
        self._ping(PROBE)
        done, _ = await asyncio.wait([pong], timeout=timeout_seconds)
        return bool(done) and pong.result()

    def _settle_probe(self, *, is_answered: bool) -> None:
        if self._pong is not None:
            self._pong.set_result(is_answered)
            self._pong = None

    def _ping(self, data: bytes) -> None:
        if self.protocol.state is OPEN:
            self.protocol.send_ping(data)
            self._flush()

    def _flush(self) -> None:
        """Write what the protocol says; after its last word the peer has a moment to hang up."""
        protocol, transport = self.protocol, self._transport
        for data in protocol.data_to_send():
            if transport.is_closing():
                continue
            if data:
                transport.write(data)
            else:
                transport.write_eof()
        if protocol.eof_sent or protocol.state is CLOSING:
            self._let_go()
            if self._deadline is None:
                self._deadline = self._loop.call_later(CLOSE_TIMEOUT_SECONDS, transport.abort)

    def end(self, closing: Closing) -> None:
        """End the session now, and the socket as soon as the peer has heard of it."""
        if self.session is not None:
            self._write(self.session.close(closing))

    def _start_closing(self, closing: Closing, detail: Mapping[str, Any]) -> None:
        said = {"close_code": closing.code, "close_text": closing.text}
        self._around.release(self, closing.reason, said | dict(detail))
        if self.protocol.state is CONNECTING:
            self._closing = closing  # said after the answer to the handshake
        else:
            self._say_close(closing)

    def _say_close(self, closing: Closing) -> None:
        if self.protocol.state is OPEN:
            self.protocol.send_close(closing.code, closing.text)
            self._flush()

    def abort(self) -> None:
        """Cut the connection off: the other end does not answer any more."""
        self._transport.abort()

    def is_open(self) -> bool:
        """Return whether the handshake is done and no closing has begun."""
        return (
            self.protocol.state is OPEN
            and self.session is not None
            and self.session.phase is Phase.REGISTERED
        )

    def _let_go(self) -> None:
        """End the session of a peer that left, or whose bytes were no frames."""
        if self.session is not None:
            self._around.release(self, *self._reason_of_loss())

    def _reason_of_loss(self) -> tuple[OfflineReason, Mapping[str, Any]]:
        """Return `bye` for a peer that closed the socket politely, and the code that was used."""
        received, reason = self.protocol.close_rcvd, OfflineReason.CONNECTION_LOST
        said = received if self.protocol.close_rcvd_then_sent else self.protocol.close_sent
        if said is None:
            return reason, {}
        if said is received and said.code in POLITE:
            reason = OfflineReason.BYE
        return reason, {"close_code": int(said.code), "close_text": said.reason}


@lru_cache(maxsize=4)
def _text_frame(data: bytes) -> bytes:
    """Return a frame; nearly all of them are the same few."""
    return Frame(Opcode.TEXT, data).serialize(mask=False)
