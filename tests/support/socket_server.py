"""Sockets over a real transport, with no database: what admits them is the test."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request, Response

from shared.domain.closing import Closing, OfflineReason
from shared.domain.ids import ModuleHash, SessionId
from shared.errors import NotFound
from tests.support.builders import NOON
from tests.support.byte_peer import REQUEST, Peer
from wsd.background import Background
from wsd.connection import Connection, Surroundings
from wsd.metrics import Metrics
from wsd.protocol import WorkFrame
from wsd.server_protocol import refuse
from wsd.session import SocketSession
from wsd.working_clock import WorkingClock

MAX_MESSAGE_BYTES = 1024
CONFIRM = b"\x81\x11heartbeat confirm"
LOST = OfflineReason.CONNECTION_LOST


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def close_frame(code: int, text: str = "") -> bytes:
    return frame(Opcode.CLOSE, Close(code, text).serialize())


HEARTBEAT = frame(Opcode.TEXT, b"heartbeat")


@dataclass
class Server:
    """Sockets on a port; /no is refused, /late is answered when `may_answer` is set."""

    port: int = 0
    held: list[Connection] = field(default_factory=list)
    ends: list[tuple[OfflineReason, Mapping[str, Any]]] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    background: Background = field(default_factory=Background)
    peers: list[Peer] = field(default_factory=list)
    work_frames: list[WorkFrame] = field(default_factory=list)

    def make(self) -> Connection:
        return Connection(
            Surroundings(
                answer=self.answer,
                release=self.release,
                take_work_frame=lambda _connection, frame: self.work_frames.append(frame),
                clock=WorkingClock(),
                metrics=Metrics(),
                background=self.background,
                max_message_bytes=MAX_MESSAGE_BYTES,
            )
        )

    async def answer(self, connection: Connection, request: Request) -> Response:
        if request.path == "/no":
            return refuse(NotFound("There is no such module."))
        response = connection.protocol.accept(request)
        session = SocketSession(ModuleHash("h"), SessionId("s"), "peer", NOON, now=0.0)
        connection.start_session(session, epoch=1)
        self.held.append(connection)
        self.asked.set()
        if request.path == "/late":
            await self.may_answer.wait()
        return response

    def release(
        self, connection: Connection, reason: OfflineReason, detail: Mapping[str, Any]
    ) -> None:
        if connection in self.held:  # once, as the hub does
            self.held.remove(connection)
            self.ends.append((reason, detail))

    async def open(self) -> Peer:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port))
        self.peers.append(peer)
        return peer

    async def shake_hands(self, path: bytes = b"/") -> Peer:
        peer = await self.open()
        await peer.say(REQUEST % path)
        assert (await peer.hear_head()).startswith(b"HTTP/1.1 101 ")
        return peer

    async def wait_for_end(self) -> tuple[OfflineReason, Mapping[str, Any]]:
        async with asyncio.timeout(5):
            while not self.ends:
                await asyncio.sleep(0.01)
        return self.ends[0]


def close_sent(closing: Closing) -> bytes:
    """Return the close frame that the platform sends."""
    data = Close(closing.code, closing.text).serialize()
    return Frame(Opcode.CLOSE, data).serialize(mask=False)


def detail_of(closing: Closing) -> dict[str, Any]:
    return {"close_code": closing.code, "close_text": closing.text}
