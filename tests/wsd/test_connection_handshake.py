"""A socket's request as bytes: what is answered, and what waits for the answer."""

import asyncio

import pytest
from websockets.frames import Opcode

from shared.domain.closing import PROTOCOL_ERROR, REPLACED, OfflineReason
from tests.support.byte_peer import REQUEST
from tests.support.socket_server import (
    CONFIRM,
    HEARTBEAT,
    LOST,
    Server,
    close_frame,
    close_sent,
    detail_of,
    frame,
)


async def test_bytes_may_come_one_by_one(server: Server) -> None:
    peer = await server.open()
    for byte in REQUEST % b"/" + HEARTBEAT:
        await peer.say(bytes([byte]))
        await asyncio.sleep(0)
    assert (await peer.hear_head()).startswith(b"HTTP/1.1 101 ")
    assert await peer.hear(len(CONFIRM)) == CONFIRM


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
