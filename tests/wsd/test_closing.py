"""Sockets end for good and for the right reason, whichever side began to close them."""

import asyncio

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Frame, Opcode

from shared.domain.actor import PLATFORM
from shared.domain.closing import REPLACED
from shared.domain.ids import ModuleHash, SessionId
from shared.services.module_admin import expire_modules
from shared.settings import Settings
from shared.store import Store
from tests.support.builders import NOON
from tests.support.byte_peer import REQUEST, Peer
from tests.support.eventually import eventually_async
from tests.wsd.conftest import RunningDaemon, run_daemon
from wsd.session import Ask, SilenceRules, SocketSession


async def code_of(socket: ClientConnection) -> int | None:
    try:
        async with asyncio.timeout(15):
            while True:
                await socket.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


async def keep_speaking(sockets: list[ClientConnection]) -> None:
    while True:
        for socket in sockets:
            try:
                await socket.send("heartbeat")
            except ConnectionClosed:
                continue
        await asyncio.sleep(0.1)


async def test_a_peer_that_says_close_and_stays_is_not_listed(running: RunningDaemon) -> None:
    module = running.register()
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(REQUEST % f"/websocket?hash={module.module_hash}".encode())
    await reader.readuntil(b"\r\n\r\n")
    assert running.online() == [module.name]
    writer.write(Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=True))
    await eventually_async(lambda: running.presence(module) == ("offline", "bye"))
    async with asyncio.timeout(10):
        await reader.read()  # the platform hangs up in the end
    writer.close()


async def test_a_peer_that_says_close_behind_its_request_is_not_listed(
    running: RunningDaemon,
) -> None:
    module = running.register()
    incumbent = await running.connect(module.module_hash)
    peer = Peer(*await asyncio.open_connection("127.0.0.1", running.port))
    close = Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=True)
    await peer.say(REQUEST % f"/websocket?hash={module.module_hash}".encode() + close)
    assert await code_of(incumbent) == REPLACED.code
    await eventually_async(lambda: running.presence(module) == ("offline", "bye"))
    assert (await peer.hear_head()).startswith(b"HTTP/1.1 101 ")
    peer.reset()


async def test_a_peer_that_does_not_read_loses_its_socket(running: RunningDaemon) -> None:
    module = running.register()
    socket = await running.connect(module.module_hash)
    (held,) = running.daemon._hub.by_session.values()
    socket.transport.pause_reading()
    frame = Frame(Opcode.TEXT, b"heartbeat").serialize(mask=True) * 500
    while running.daemon._hub.by_session:
        socket.transport.write(frame)
        await asyncio.sleep(0.001)
    await eventually_async(lambda: held.is_lost)
    socket.transport.abort()


async def test_all_expired_modules_hear_4010_however_slow_the_closing(
    settings: Settings, store: Store
) -> None:
    async with run_daemon(settings, store, closes_per_second=2) as running:
        modules = [running.register(f"module-{n}") for n in range(12)]
        sockets: list[ClientConnection] = []
        speaking = asyncio.create_task(keep_speaking(sockets))
        for module in modules:
            sockets.append(await running.connect(module.module_hash))
        expire_modules(running.store, running.store.modules.connected(), NOON, PLATFORM)
        codes = await asyncio.gather(*[code_of(socket) for socket in sockets])
        assert codes == [4010] * 12
        speaking.cancel()


async def test_an_incumbent_outlives_a_newcomer_that_was_refused(running: RunningDaemon) -> None:
    module = running.register()
    incumbent = await running.connect(module.module_hash)
    speaking = asyncio.create_task(keep_speaking([incumbent]))
    # What a newcomer leaves whose batch landed, failed, and was undone.
    running.store.modules._collection.update_one(
        {"_id": module.module_hash}, {"$set": {"session": None}, "$inc": {"epoch": 1}}
    )
    await eventually_async(lambda: running.online() == [module.name])
    assert incumbent.close_code is None
    speaking.cancel()


async def test_what_a_leaving_module_said_is_recorded(running: RunningDaemon) -> None:
    module = running.register()
    running.store.heartbeats.remove(module.module_hash)
    socket = await running.connect(module.module_hash)
    await socket.send("heartbeat")
    await socket.recv()
    await socket.close()
    await eventually_async(
        lambda: running.store.heartbeats.get(module.module_hash).heartbeat_at is not None
    )


@pytest.mark.parametrize("gap", [0, 1000])
def test_a_module_asked_during_a_freeze_is_asked_again_in_time(gap: float) -> None:
    session = SocketSession(ModuleHash("h"), SessionId("s"), "peer", NOON, now=0)
    session.register(now=gap)
    session.leave_out_gap(now=0)
    rules = SilenceRules(interval_seconds=30, timeout_seconds=90)
    assert session.check(now=30, rules=rules) == (Ask.ALIVE,)
