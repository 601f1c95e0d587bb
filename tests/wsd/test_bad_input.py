"""Whatever arrives on a socket ends in an error frame or a close code, and hurts no other socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

import wsd.connection
import wsd.daemon
from shared.domain.closing import (
    INVALID_FRAMES,
    INVALID_TEXT,
    MESSAGE_TOO_BIG,
    PROTOCOL_ERROR,
    Closing,
)
from tests.support.eventually import eventually_async
from tests.support.ports import free_port
from tests.wsd.conftest import RunningDaemon


async def heartbeat_is_confirmed(socket: ClientConnection) -> bool:
    await socket.send("heartbeat")
    return await socket.recv() == "heartbeat confirm"


async def code_after(socket: ClientConnection, frames: int) -> int | None:
    """Send this many invalid frames; return the code that the socket is closed with."""
    with pytest.raises(ConnectionClosed) as closed:
        for _ in range(frames):
            await socket.send("garbage")
        while True:
            await socket.recv()
    return closed.value.rcvd.code if closed.value.rcvd else None


@pytest.fixture
async def neighbour(running: RunningDaemon) -> AsyncIterator[None]:
    """A module that does everything right all the time, and must not notice what others do."""
    module = running.register("neighbour")
    async with await running.connect(module.module_hash) as socket:
        speaking = asyncio.create_task(keep_speaking(socket))
        yield
        assert not speaking.done()
        speaking.cancel()


async def keep_speaking(socket: ClientConnection) -> None:
    while True:
        assert await heartbeat_is_confirmed(socket)
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("frame", ["garbage", "[1, 2]", '"text"', "{", "[" * 100_000, "\x00"])
async def test_an_invalid_frame_gets_the_error_frame_and_the_socket_stays_open(
    running: RunningDaemon, neighbour: None, frame: str
) -> None:
    async with await running.connect(running.register().module_hash) as socket:
        await socket.send(frame)
        answer = json.loads(await socket.recv())
        assert (answer["status"], answer["code"]) == ("error", "3002")
        assert await heartbeat_is_confirmed(socket)


@pytest.mark.parametrize("frames", [b"\x00\xff", [b"\x00", b"\xff"]])
async def test_a_binary_message_gets_the_error_frame(
    running: RunningDaemon, neighbour: None, frames: bytes | list[bytes]
) -> None:
    async with await running.connect(running.register().module_hash) as socket:
        await socket.send(frames)
        assert json.loads(await socket.recv())["code"] == "3002"
        assert await heartbeat_is_confirmed(socket)


async def test_a_heartbeat_in_fragments_is_a_heartbeat(running: RunningDaemon) -> None:
    async with await running.connect(running.register().module_hash) as socket:
        await socket.send(["heart", "", "beat"])
        assert await socket.recv() == "heartbeat confirm"


@pytest.mark.parametrize("message", ["x" * 2**21, ["x" * 2**18] * 8])
async def test_a_message_over_the_limit_closes_with_1009(
    running: RunningDaemon, neighbour: None, message: str | list[str]
) -> None:
    socket = await running.connect(running.register().module_hash)
    with pytest.raises(ConnectionClosed) as closed:
        await socket.send(message)
        await socket.recv()
    assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
    await eventually_async(lambda: running.online() == ["neighbour"])


async def test_text_that_is_not_utf8_closes_with_1007(
    running: RunningDaemon, neighbour: None
) -> None:
    socket = await running.connect(running.register().module_hash)
    socket.transport.write(Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True))
    with pytest.raises(ConnectionClosed) as closed:
        await socket.recv()
    assert closed.value.rcvd.code == 1007


@pytest.mark.parametrize(
    ("data", "closing"),
    [
        (b"\x81\x01x", PROTOCOL_ERROR),
        (Frame(Opcode.TEXT, b"\xff").serialize(mask=True), INVALID_TEXT),
        (Frame(Opcode.TEXT, b"garbage").serialize(mask=True) * 20, INVALID_FRAMES),
        (Frame(Opcode.TEXT, b"x" * 2**21).serialize(mask=True)[:1000], MESSAGE_TOO_BIG),
    ],
    ids=["protocol", "text", "garbage", "size"],
)
async def test_the_history_says_what_was_wrong_with_the_frames(
    running: RunningDaemon, data: bytes, closing: Closing
) -> None:
    module = running.register()
    socket = await running.connect(module.module_hash)
    socket.transport.write(data)
    await eventually_async(lambda: running.presence(module) == ("offline", "connection_lost"))
    (event,) = [e for e in running.store.events.find() if e.what == "offline"]
    # It does not read its error frames, so it stops reading at all, and never sees the end.
    socket.transport.abort()
    said = {name: event.detail[name] for name in ("close_code", "close_text")}
    assert said == {"close_code": closing.code, "close_text": closing.text}


async def test_a_thousand_invalid_frames_close_with_1008(
    running: RunningDaemon, neighbour: None
) -> None:
    socket = await running.connect(running.register().module_hash)
    assert await code_after(socket, 1000) in (1008, None)  # None: the reset was faster
    await eventually_async(lambda: running.online() == ["neighbour"])


async def test_a_client_that_never_reads_is_closed(running: RunningDaemon, neighbour: None) -> None:
    module = running.register()
    socket = await running.connect(module.module_hash)
    socket.transport.pause_reading()
    frame = Frame(Opcode.TEXT, b"heartbeat").serialize(mask=True) * 500

    async def flood() -> None:
        while not socket.transport.is_closing():
            socket.transport.write(frame)
            await asyncio.sleep(0.001)

    flooding = asyncio.create_task(flood())
    await eventually_async(lambda: running.online() == ["neighbour"], seconds=30)
    flooding.cancel()
    socket.transport.abort()


async def test_a_client_that_connects_and_says_nothing_is_closed(
    running: RunningDaemon, neighbour: None
) -> None:
    module = running.register()
    await running.connect(module.module_hash)
    await eventually_async(lambda: running.presence(module) == ("offline", "heartbeat_timeout"))


async def test_a_slow_handshake_is_cut_off(
    settings, store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsd.connection, "OPEN_TIMEOUT_SECONDS", 0.3)
    port = free_port()
    daemon = wsd.daemon.Daemon(replace(settings, wsd_port=port), index=0)
    server = await daemon.startup()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /websocket?hash=")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    await daemon.shutdown(server)


async def test_a_hash_of_ten_megabytes_is_refused(running: RunningDaemon, neighbour: None) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    try:
        writer.write(b"GET /websocket?hash=" + b"a" * 10_000_000 + b" HTTP/1.1\r\n\r\n")
        await writer.drain()
        answer = await reader.read()
    except ConnectionError:
        answer = b""
    assert answer == b"" or b" 414 " in answer.splitlines()[0]
    writer.close()


async def test_two_hundred_connects_with_one_hash_leave_one_session(
    running: RunningDaemon, neighbour: None
) -> None:
    module = running.register()
    attempts = [running.connect(module.module_hash) for _ in range(200)]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    refused = [r for r in results if isinstance(r, InvalidStatus)]
    assert {r.response.status_code for r in refused} <= {429}
    sockets = [r for r in results if isinstance(r, ClientConnection)]
    assert len(sockets) + len(refused) == 200
    assert sorted(running.online()) == ["load-forecast", "neighbour"]
    open_sockets = [s for s in sockets if s.state.name == "OPEN"]
    assert len(open_sockets) == 1
    for socket in sockets:
        await socket.close()
