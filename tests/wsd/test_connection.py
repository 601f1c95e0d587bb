"""One socket over a real transport: frames and closing as bytes, with no database."""

import asyncio
import gc
import struct
import weakref

import pytest
from websockets.frames import Opcode

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
from tests.support.byte_peer import Peer
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
from wsd.connection import OUTBOX_MAX_BYTES, TURN_BYTES


def name_closing(value: object) -> str:
    """Name a case without its bytes, whose mask is random."""
    return value.name if isinstance(value, Closing) else "frame"


async def test_a_heartbeat_is_confirmed(server: Server) -> None:
    peer = await server.shake_hands()
    await peer.say(HEARTBEAT)
    assert await peer.hear(len(CONFIRM)) == CONFIRM


async def test_a_socket_at_rest_has_no_task(server: Server) -> None:
    before = asyncio.all_tasks()
    peers = [await server.shake_hands() for _ in range(3)]
    assert asyncio.all_tasks() == before
    assert len(server.held) == len(peers)


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


async def test_a_close_frame_without_a_code_is_a_polite_leave(server: Server) -> None:
    peer = await server.shake_hands()
    await peer.say(frame(Opcode.CLOSE))
    assert await peer.hear_rest() == b"\x88\x00"
    assert server.ends == [(OfflineReason.BYE, {"close_code": 1005, "close_text": ""})]
    assert type(server.ends[0][1]["close_code"]) is int  # as it is stored


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
