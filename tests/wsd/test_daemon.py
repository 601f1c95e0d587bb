"""Modules connect, speak, fall silent and leave; the list tells the truth about it."""

import asyncio
import json

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from shared.domain.actor import PLATFORM
from shared.services.module_admin import close_module, expire_modules, set_enabled
from tests.support.builders import NOON
from tests.support.eventually import eventually_async
from tests.support.tampering import remove_module
from tests.wsd.conftest import RunningDaemon


async def code_of_closing(socket: object) -> int:
    with pytest.raises(ConnectionClosed) as closed:
        async with asyncio.timeout(10):
            while True:
                await socket.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


async def test_a_connected_module_is_listed_at_once(running: RunningDaemon) -> None:
    module = running.register()
    async with await running.connect(module.module_hash):
        assert running.online() == [module.name]


async def test_a_heartbeat_is_confirmed(running: RunningDaemon) -> None:
    module = running.register()
    async with await running.connect(module.module_hash) as socket:
        await socket.send("heartbeat")
        assert await socket.recv() == "heartbeat confirm"


async def test_heartbeats_are_flushed_to_the_database(running: RunningDaemon) -> None:
    module = running.register()
    heartbeats = running.store.heartbeats
    async with await running.connect(module.module_hash) as socket:

        async def speak() -> None:
            while True:
                await socket.send("heartbeat")
                await socket.recv()

        speaking = asyncio.create_task(speak())
        await eventually_async(lambda: heartbeats.get(module.module_hash).heartbeat_at is not None)
        first = heartbeats.get(module.module_hash).heartbeat_at
        await eventually_async(lambda: heartbeats.get(module.module_hash).heartbeat_at > first)
        speaking.cancel()


async def test_a_module_that_leaves_politely_said_bye(running: RunningDaemon) -> None:
    module = running.register()
    socket = await running.connect(module.module_hash)
    await socket.close()
    await eventually_async(lambda: running.presence(module) == ("offline", "bye"))


async def test_a_module_whose_connection_breaks_is_lost(running: RunningDaemon) -> None:
    module = running.register()
    socket = await running.connect(module.module_hash)
    socket.transport.abort()
    await eventually_async(lambda: running.presence(module) == ("offline", "connection_lost"))


async def test_a_program_that_hangs_is_closed_with_4008(running: RunningDaemon) -> None:
    module = running.register()
    socket = await running.connect(module.module_hash)  # its library goes on answering pings
    await socket.send("heartbeat")
    assert await code_of_closing(socket) == 4008
    await eventually_async(lambda: running.presence(module) == ("offline", "heartbeat_timeout"))


async def test_a_module_without_heartbeats_stays_by_answering(running: RunningDaemon) -> None:
    module = running.register()
    async with await running.connect(module.module_hash) as socket:
        for _ in range(4):  # longer than the offline time-out
            assert json.loads(await socket.recv())["type"] == "ping"
            await socket.send('{"type":"pong"}')
        assert running.online() == [module.name]


async def test_the_newer_socket_wins_and_the_older_is_told(running: RunningDaemon) -> None:
    module = running.register()
    older = await running.connect(module.module_hash)
    async with await running.connect(module.module_hash) as newer:
        assert await code_of_closing(older) == 4509
        await newer.send("heartbeat")
        assert await newer.recv() == "heartbeat confirm"
        assert running.online() == [module.name]


async def test_the_fourth_takeover_is_refused_while_the_incumbent_answers(
    running: RunningDaemon,
) -> None:
    module = running.register()
    sockets = [await running.connect(module.module_hash) for _ in range(4)]
    with pytest.raises(InvalidStatus) as refusal:
        await running.connect(module.module_hash)
    assert refusal.value.response.status_code == 429
    assert refusal.value.response.headers["Retry-After"] == "30"
    (event,) = [e for e in running.store.events.find() if e.what == "takeover_refused"]
    assert set(event.detail) == {"incumbent", "newcomer"}
    for socket in sockets:
        await socket.close()


async def test_a_module_marked_offline_by_mistake_is_listed_again(running: RunningDaemon) -> None:
    module = running.register()
    async with await running.connect(module.module_hash) as socket:
        connected = running.store.modules.get(module.module_hash)
        assert connected is not None
        running.store.modules._collection.update_one(
            {"_id": module.module_hash}, {"$set": {"session": None}}
        )
        assert running.online() == []

        async def speak() -> None:
            while True:
                await socket.send("heartbeat")
                await socket.recv()
                await asyncio.sleep(0.05)

        speaking = asyncio.create_task(speak())
        await eventually_async(lambda: running.online() == [module.name])
        speaking.cancel()


async def test_an_expired_module_is_closed_with_4010_and_may_come_back(
    running: RunningDaemon,
) -> None:
    module = running.register()
    socket = await running.connect(module.module_hash)
    connected = running.store.modules.connected()
    expire_modules(running.store, connected, NOON, PLATFORM)
    assert running.online() == []
    assert await code_of_closing(socket) == 4010
    async with await running.connect(module.module_hash):
        assert running.online() == [module.name]


async def test_a_module_closed_by_an_operator_hears_4010(running: RunningDaemon) -> None:
    module = running.register()
    socket = await running.connect(module.module_hash)
    (connected,) = running.store.modules.connected()
    close_module(running.store, connected, connected.session.connected_at, PLATFORM)
    assert await code_of_closing(socket) == 4010
    assert running.presence(module) == ("offline", "closed_by_operator")


async def test_a_disabled_module_is_closed_with_4523_and_refused(running: RunningDaemon) -> None:
    module = running.register()
    socket = await running.connect(module.module_hash)
    set_enabled(running.store, module.module_hash, NOON, PLATFORM, enabled=False)
    assert await code_of_closing(socket) == 4523
    with pytest.raises(InvalidStatus) as refusal:
        await running.connect(module.module_hash)
    assert refusal.value.response.status_code == 403


async def test_a_deleted_module_is_told_to_register_again(running: RunningDaemon) -> None:
    module = running.register()
    socket = await running.connect(module.module_hash)
    remove_module(running.store, module.module_hash)
    assert await code_of_closing(socket) == 4501


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, "3002"),
        ("?hash=", 400, "3002"),
        (f"?hash={'a' * 64}&hash={'b' * 64}", 400, "3002"),
        (f"?hash={'a' * 64}", 404, "3003"),
        ("?hash=short", 404, "3003"),
        (f"?hash={'é' * 64}", 404, "3003"),
    ],
)
async def test_a_refused_handshake_is_an_http_answer_with_the_envelope(
    running: RunningDaemon, query: str, status: int, code: str
) -> None:
    from websockets.asyncio.client import connect

    with pytest.raises(InvalidStatus) as refusal:
        await connect(running.url(query), proxy=None)
    response = refusal.value.response
    assert response.status_code == status
    assert json.loads(bytes(response.body))["code"] == code


async def test_a_planned_stop_closes_with_1012_and_says_so(running: RunningDaemon) -> None:
    module = running.register()
    socket = await running.connect(module.module_hash)
    running.daemon._stop.set()
    await running.daemon.serve()
    # the fixture's shutdown closes everything; here only the flag is read
    assert running.online() == [module.name]
    await socket.close()
