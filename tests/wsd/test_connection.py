"""One socket over a real transport: handshake, frames and closing as bytes, with no database."""

import asyncio
import gc
import struct
import weakref
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request, Response

from shared.domain.closing import (
    INVALID_FRAMES,
    INVALID_TEXT,
    MESSAGE_TOO_BIG,
    PROTOCOL_ERROR,
    REPLACED,
    SLOW_READER,
    Closing,
    OfflineReason,
)
from shared.domain.ids import ModuleHash, SessionId
from shared.errors import NotFound
from tests.support.builders import NOON
from tests.support.byte_peer import REQUEST, Peer
from wsd.background import Background
from wsd.connection import OUTBOX_MAX_BYTES, TURN_BYTES, Connection, Surroundings
from wsd.metrics import Metrics
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

    def make(self) -> Connection:
        return Connection(
            Surroundings(
                answer=self.answer,
                release=self.release,
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


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr("wsd.connection.CLOSE_TIMEOUT_SECONDS", 0.2)
    made = Server()
    listening = await asyncio.get_running_loop().create_server(made.make, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()
    made.may_answer.set()
    for peer in made.peers:
        peer.writer.transport.abort()
    while made.held:
        await asyncio.sleep(0.01)
    await made.background.wait()


def close_sent(closing: Closing) -> bytes:
    """Return the close frame that the platform sends."""
    data = Close(closing.code, closing.text).serialize()
    return Frame(Opcode.CLOSE, data).serialize(mask=False)


def detail_of(closing: Closing) -> dict[str, Any]:
    return {"close_code": closing.code, "close_text": closing.text}


def name_closing(value: object) -> str:
    """Name a case without its bytes, whose mask is random."""
    return value.name if isinstance(value, Closing) else "frame"


async def test_a_heartbeat_is_confirmed(server: Server) -> None:
    peer = await server.shake_hands()
    await peer.say(HEARTBEAT)
    assert await peer.hear(len(CONFIRM)) == CONFIRM


async def test_bytes_may_come_one_by_one(server: Server) -> None:
    peer = await server.open()
    for byte in REQUEST % b"/" + HEARTBEAT:
        await peer.say(bytes([byte]))
        await asyncio.sleep(0)
    assert (await peer.hear_head()).startswith(b"HTTP/1.1 101 ")
    assert await peer.hear(len(CONFIRM)) == CONFIRM


async def test_a_socket_at_rest_has_no_task(server: Server) -> None:
    before = asyncio.all_tasks()
    peers = [await server.shake_hands() for _ in range(3)]
    assert asyncio.all_tasks() == before
    assert len(server.held) == len(peers)


async def test_a_refusal_is_an_envelope_and_the_end(server: Server) -> None:
    peer = await server.open()
    await peer.say(REQUEST % b"/no")
    status, envelope = await peer.hear_envelope()
    assert (status, envelope["code"]) == (404, "3003")


async def test_a_request_that_is_no_http_is_refused_with_the_envelope(server: Server) -> None:
    peer = await server.open()
    await peer.say(b"\x16\x03\x01 hello\r\n")
    status, envelope = await peer.hear_envelope()
    assert (status, envelope["code"]) == (400, "3002")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"a" * 10_000, 414),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 10_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200, 431),
        (b"GET / HTTP/1.1\r\n" + (b"A: " + b"b" * 7000 + b"\r\n") * 10, 431),
    ],
    ids=["line", "header", "headers", "bytes"],
)
async def test_a_request_that_is_too_large_is_refused_with_the_envelope(
    server: Server, request_bytes: bytes, status: int
) -> None:
    peer = await server.open()
    await peer.say(request_bytes)
    heard, envelope = await peer.hear_envelope()
    assert (heard, envelope["code"]) == (status, "3002")


async def test_a_handshake_that_is_never_finished_is_cut_off(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsd.connection.OPEN_TIMEOUT_SECONDS", 0.2)
    peer = await server.open()
    await peer.say(b"GET / HTTP/1.1\r\n")
    assert await peer.hear_rest() == b""


async def test_a_peer_that_leaves_before_its_answer_is_lost(server: Server) -> None:
    peer = await server.open()
    await peer.say(REQUEST % b"/late")
    async with asyncio.timeout(5):
        await server.asked.wait()
    peer.reset()
    assert await server.wait_for_end() == (LOST, {})


@pytest.mark.parametrize("path", [b"/", b"/late"])
@pytest.mark.parametrize("burst", [False, True])
async def test_frames_that_come_before_the_answer_are_taken_after_it(
    server: Server, path: bytes, burst: bool
) -> None:
    peer = await server.open()
    count = 6000 if burst else 3
    await peer.say(REQUEST % path + frame(Opcode.PING, b"?") + HEARTBEAT * count)
    await server.asked.wait()
    server.may_answer.set()
    assert (await peer.hear_head()).startswith(b"HTTP/1.1 101 ")
    heard = await peer.hear(3 + count * len(CONFIRM))
    assert heard.replace(b"\x8a\x01?", b"") == CONFIRM * count


async def test_a_close_frame_behind_the_request_ends_the_session_at_once(server: Server) -> None:
    peer = await server.open()
    await peer.say(REQUEST % b"/late" + close_frame(1000))
    await server.asked.wait()
    server.may_answer.set()
    assert (await peer.hear_head()).startswith(b"HTTP/1.1 101 ")
    assert await server.wait_for_end() == (
        OfflineReason.BYE,
        {"close_code": 1000, "close_text": ""},
    )
    assert await peer.hear_rest() == b"\x88\x02\x03\xe8"


@pytest.mark.parametrize("path", [b"/", b"/late"])
async def test_bytes_behind_the_request_that_are_no_frames_fail_the_socket_after_its_answer(
    server: Server, path: bytes
) -> None:
    peer = await server.open()
    await peer.say(REQUEST % path + b"no frames")
    await server.asked.wait()
    server.may_answer.set()
    assert (await peer.hear_head()).startswith(b"HTTP/1.1 101 ")
    assert await server.wait_for_end() == (LOST, detail_of(PROTOCOL_ERROR))


@pytest.mark.parametrize(
    "behind",
    [REQUEST % b"/no", b"\r\n", b"no frames" * 9, frame(Opcode.PING), close_frame(1000)],
    ids=["request", "line", "bytes", "ping", "close"],
)
async def test_what_follows_a_refused_request_changes_no_answer(
    server: Server, behind: bytes
) -> None:
    peer = await server.open()
    await peer.say(REQUEST % b"/no" + behind)
    status, envelope = await peer.hear_envelope()
    assert (status, envelope["code"]) == (404, "3003")


async def test_a_peer_that_says_too_much_before_its_answer_is_not_read(server: Server) -> None:
    peer = await server.open()
    await peer.say(REQUEST % b"/late")
    await server.asked.wait()
    [held] = server.held
    peer.writer.write(HEARTBEAT * 1_000_000)
    async with asyncio.timeout(5):
        while held._transport.is_reading():
            await asyncio.sleep(0.01)
    assert len(held._early or b"") < 2**20
    peer.reset()


async def test_a_closing_that_comes_before_the_answer_is_said_after_it(server: Server) -> None:
    peer = await server.open()
    await peer.say(REQUEST % b"/late")
    async with asyncio.timeout(5):
        await server.asked.wait()
    server.held[0].end(REPLACED)
    server.may_answer.set()
    assert (await peer.hear_head()).startswith(b"HTTP/1.1 101 ")
    assert await peer.hear(len(close_sent(REPLACED))) == close_sent(REPLACED)
    assert server.ends == [(OfflineReason.REPLACED, detail_of(REPLACED))]


@pytest.mark.parametrize(
    ("data", "closing"),
    [
        (b"\x81\x01x", PROTOCOL_ERROR),  # not masked
        (frame(Opcode.CONT, b"x"), PROTOCOL_ERROR),  # nothing to go on with
        (b"\x83\x80\0\0\0\0", PROTOCOL_ERROR),  # an unknown opcode
        (b"\xf1\x80\0\0\0\0", PROTOCOL_ERROR),  # reserved bits
        (frame(Opcode.CLOSE, b"\x03"), PROTOCOL_ERROR),  # half a code
        (frame(Opcode.TEXT, b"\xff"), INVALID_TEXT),
        (frame(Opcode.CLOSE, struct.pack("!H", 1000) + b"\xff"), INVALID_TEXT),
        (frame(Opcode.TEXT, b"x") * 20, INVALID_FRAMES),
        (frame(Opcode.TEXT, b"x" * 1025), MESSAGE_TOO_BIG),
        (
            frame(Opcode.TEXT, b"x" * 600, fin=False) + frame(Opcode.CONT, b"x" * 600),
            MESSAGE_TOO_BIG,
        ),
        (b"\x81\xff" + b"\x7f" * 8 + b"\0\0\0\0", MESSAGE_TOO_BIG),  # 9 exabytes, it says
    ],
    ids=name_closing,
)
async def test_bad_frames_end_the_session_and_say_why(
    server: Server, data: bytes, closing: Closing
) -> None:
    peer = await server.shake_hands()
    await peer.say(data)
    assert await server.wait_for_end() == (LOST, detail_of(closing))
    heard = await peer.hear_rest()
    assert heard.endswith(close_sent(closing))


async def test_a_message_in_fragments_is_one_message(server: Server) -> None:
    peer = await server.shake_hands()
    await peer.say(frame(Opcode.TEXT, b"heart", fin=False))
    await peer.say(frame(Opcode.PING, b"?"))  # allowed in between
    await peer.say(frame(Opcode.CONT, b"", fin=False) + frame(Opcode.CONT, b"beat") + HEARTBEAT)
    heard = await peer.hear(2 * len(CONFIRM) + 3)
    assert heard.replace(b"\x8a\x01?", b"") == 2 * CONFIRM


async def test_fragments_for_ever_are_no_life_and_take_no_memory(server: Server) -> None:
    peer = await server.shake_hands()
    [held] = server.held
    assert held.session is not None
    heard_at, last_heartbeat_at = held.heard_at, held.session.last_heartbeat_at
    await peer.say(frame(Opcode.TEXT, b"", fin=False) + frame(Opcode.CONT, fin=False) * 5000)
    await peer.say(frame(Opcode.PING))
    await peer.hear(2)
    assert held._fragments == b""
    assert held.session.last_heartbeat_at == last_heartbeat_at
    assert held.heard_at > heard_at


async def test_a_flood_leaves_the_others_their_turn(server: Server) -> None:
    flooding, polite = await server.shake_hands(), await server.shake_hands()
    flooding.writer.write(frame(Opcode.PONG) * 200_000)
    frames_between = 0
    for _ in range(20):
        before = server.held[0]._around.metrics.frames
        await polite.say(HEARTBEAT)
        assert await polite.hear(len(CONFIRM)) == CONFIRM
        frames_between = max(frames_between, server.held[0]._around.metrics.frames - before)
    assert frames_between < 20 * TURN_BYTES / len(frame(Opcode.PONG))
    flooding.reset()


async def test_a_peer_that_never_reads_is_closed_and_cut_off(server: Server) -> None:
    peer = await server.shake_hands()
    [held] = server.held
    peer.stop_reading()
    while not server.ends:
        peer.writer.write(HEARTBEAT * 1000)
        await asyncio.sleep(0.001)
    assert server.ends == [(LOST, detail_of(SLOW_READER))]
    async with asyncio.timeout(5):
        while not held.is_lost:
            await asyncio.sleep(0.01)


async def test_pings_that_come_after_the_close_frame_fill_no_outbox(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsd.connection.CLOSE_TIMEOUT_SECONDS", 1.0)
    peer = await server.shake_hands()
    [held] = server.held
    peer.stop_reading()
    most = 0
    while not held.is_lost:
        peer.writer.write(frame(Opcode.PING, b"x" * 125) * 1000)
        await asyncio.sleep(0.001)
        most = max(most, held._transport.get_write_buffer_size())
    assert OUTBOX_MAX_BYTES < most < OUTBOX_MAX_BYTES + 2 * TURN_BYTES
    assert server.ends == [(LOST, detail_of(SLOW_READER))]


async def test_a_peer_that_never_finishes_closing_is_cut_off(server: Server) -> None:
    peer = await server.shake_hands()
    server.held[0].end(REPLACED)
    pinging = asyncio.create_task(keep_saying(peer, frame(Opcode.PING)))
    assert (await peer.hear_rest()).startswith(close_sent(REPLACED))
    pinging.cancel()


async def keep_saying(peer: Peer, data: bytes) -> None:
    while not peer.writer.is_closing():
        peer.writer.write(data)
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, OfflineReason.BYE), (1001, OfflineReason.BYE), (4000, LOST)]
)
async def test_a_peer_that_closes_gets_its_code_back(
    server: Server, code: int, reason: OfflineReason
) -> None:
    peer = await server.shake_hands()
    await peer.say(close_frame(code, "so long") + HEARTBEAT)
    assert await peer.hear_rest() == b"\x88\x09" + struct.pack("!H", code) + b"so long"
    assert server.ends == [(reason, {"close_code": code, "close_text": "so long"})]


@pytest.mark.parametrize("way", ["reset", "end of stream"])
async def test_a_peer_that_goes_without_a_word_is_lost(server: Server, way: str) -> None:
    peer = await server.shake_hands()
    if way == "reset":
        peer.reset()
    else:
        peer.writer.write_eof()
        assert await peer.hear_rest() == b""
    assert await server.wait_for_end() == (LOST, {})


@pytest.mark.parametrize(
    "said",
    [b"", HEARTBEAT, close_frame(1000), b"no frames", frame(Opcode.TEXT, b"x" * 99, fin=False)],
    ids=["nothing", "heartbeat", "close", "no frames", "fragment"],
)
@pytest.mark.parametrize("way", ["reset", "end of stream"])
async def test_a_closed_socket_is_freed_without_a_garbage_collection(
    server: Server, said: bytes, way: str
) -> None:
    peer = await server.shake_hands()
    freed = weakref.ref(server.held[0].protocol)
    gc.disable()
    try:
        await peer.say(said)
        if way == "reset":
            peer.reset()
        else:
            peer.writer.write_eof()
            await peer.hear_rest()
        async with asyncio.timeout(5):
            while freed() is not None:
                await asyncio.sleep(0.01)
    finally:
        gc.enable()


async def test_a_probe_is_answered_by_its_own_pong_only(server: Server) -> None:
    peer = await server.shake_hands()
    [held] = server.held
    asking = [asyncio.create_task(held.answers_ping(5)) for _ in range(2)]
    ping = await peer.hear(2 + 5)
    await peer.say(frame(Opcode.PONG) + HEARTBEAT)
    await peer.hear(2 + 5 + len(CONFIRM))
    assert not any(task.done() for task in asking)
    await peer.say(frame(Opcode.PONG, ping[2:]))
    assert await asyncio.gather(*asking) == [True, True]


async def test_a_probe_that_is_not_answered_in_time_is_asked_again(server: Server) -> None:
    peer = await server.shake_hands()
    [held] = server.held
    assert not await held.answers_ping(0.05)
    asking = asyncio.create_task(held.answers_ping(5))
    await peer.hear(2 * (2 + 5))
    peer.reset()
    assert not await asking
    assert not await held.answers_ping(5)
