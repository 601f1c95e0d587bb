"""Messages reach sockets, and results come back: a whole daemon over a real database."""

import asyncio
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from shared.clock import utc_now
from shared.domain.ids import MessageId
from shared.domain.message import DEFAULT_LIFE, Message, MessageStatus
from shared.domain.module import Module
from shared.domain.result import ResultStatus
from shared.services.message_deadlines import end_overdue
from shared.services.queueing import queue_messages
from shared.settings import Settings
from shared.store import Store
from tests.support.builders import make_message
from tests.support.eventually import eventually_async
from tests.support.wire_proxy import WireProxy, refusal, refused
from tests.wsd.conftest import RunningDaemon, run_daemon

HELLO = '{"type":"hello","sdk":"test","acks":true,"in_flight":%d}'


def send(store: Store, module: Module, *ids: str, **overrides: Any) -> list[Message]:
    """Queue messages for a module, as a sender does."""
    now = datetime.now(UTC)
    messages = [
        make_message(
            id=MessageId(message_id),
            module_hash=module.module_hash,
            created_at=now + timedelta(milliseconds=n),
            useful_until=now + DEFAULT_LIFE,
            node=None,
            **overrides,
        )
        for n, message_id in enumerate(ids)
    ]
    queue_messages(store, messages)
    return messages


def stored(store: Store, message_id: str) -> Message:
    message = store.messages.get(MessageId(message_id))
    assert message is not None
    return message


async def hear_work(socket: ClientConnection) -> dict[str, Any]:
    """Return the next frame, which must be work, or the question to a silent module."""
    frame = json.loads(await socket.recv())
    assert isinstance(frame, dict), frame
    if frame.get("type") == "ping":
        return await hear_work(socket)
    assert "message" in frame, frame
    return frame


def result_of(message_id: str, **overrides: Any) -> str:
    said = {"type": "result", "id": message_id, "status": "success", "result": {"v": 1}}
    return json.dumps(said | overrides)


async def test_a_message_is_pushed_acknowledged_and_answered(running: RunningDaemon) -> None:
    module = running.register()
    async with await running.connect(module.module_hash) as socket:
        await socket.send(HELLO % 1)
        send(running.store, module, "a", content='"as it was given"')
        assert await hear_work(socket) == {"id": "a", "attempt": 1, "message": "as it was given"}
        await socket.send('{"type":"ack","id":"a"}')
        await eventually_async(lambda: stored(running.store, "a").status is MessageStatus.ACKED)
        await socket.send(result_of("a"))
        assert await socket.recv() == "receive result"
    result = running.store.results.get(MessageId("a"))
    assert result is not None
    assert (result.status, result.content, result.attempt) == (
        ResultStatus.SUCCESS,
        '{"v":1}',
        1,
    )
    assert stored(running.store, "a").status is MessageStatus.SUCCEEDED
    await eventually_async(lambda: last_execution_of(running, module) is not None)


def last_execution_of(running: RunningDaemon, module: Module) -> datetime | None:
    return running.store.heartbeats.get(module.module_hash).executed_at


async def test_what_waits_is_pushed_in_order_when_the_module_connects(
    running: RunningDaemon,
) -> None:
    module = running.register()
    send(running.store, module, "a", "b")
    send(running.store, module, "urgent", priority=200)
    async with await running.connect(module.module_hash) as socket:
        await socket.send(HELLO % 50)
        assert [(await hear_work(socket))["id"] for _ in range(3)] == ["urgent", "a", "b"]


async def test_the_next_message_waits_for_the_result_of_the_one_before(
    running: RunningDaemon,
) -> None:
    module = running.register()
    send(running.store, module, "a", "b")
    async with await running.connect(module.module_hash) as socket:
        await socket.send(HELLO % 1)
        assert (await hear_work(socket))["id"] == "a"
        await socket.send('{"type":"ack","id":"a"}')
        await eventually_async(lambda: stored(running.store, "a").status is MessageStatus.ACKED)
        assert stored(running.store, "b").status is MessageStatus.QUEUED
        await socket.send(result_of("a"))
        frames = [json.loads(text) if text[0] == "{" else text for text in await hear(socket, 2)]
        assert "receive result" in frames
        assert [frame["id"] for frame in frames if isinstance(frame, dict)] == ["b"]


async def test_what_the_worker_timed_out_holds_up_nothing_behind_it(
    running: RunningDaemon,
) -> None:
    module = running.register()
    async with await running.connect(module.module_hash) as socket:
        await socket.send(HELLO % 1)
        send(running.store, module, "a", timeout_seconds=60)
        send(running.store, module, "b")
        assert (await hear_work(socket))["id"] == "a"
        await socket.send('{"type":"ack","id":"a"}')
        await eventually_async(lambda: stored(running.store, "a").status is MessageStatus.ACKED)
        end_overdue(running.store, utc_now() + timedelta(seconds=61))
        assert (await hear_work(socket))["id"] == "b"
        assert stored(running.store, "a").status is MessageStatus.TIMED_OUT


async def hear(socket: ClientConnection, count: int) -> list[str]:
    return [str(await socket.recv()) for _ in range(count)]


async def test_what_was_not_acknowledged_is_pushed_again_in_the_next_session(
    running: RunningDaemon,
) -> None:
    module = running.register()
    send(running.store, module, "a")
    async with await running.connect(module.module_hash) as socket:
        await socket.send(HELLO % 1)
        assert (await hear_work(socket))["attempt"] == 1
    await eventually_async(lambda: stored(running.store, "a").status is MessageStatus.QUEUED)
    async with await running.connect(module.module_hash) as socket:
        await socket.send(HELLO % 1)
        frame = await hear_work(socket)
        assert (frame["id"], frame["attempt"]) == ("a", 2)


async def test_what_was_acknowledged_outlives_its_session(running: RunningDaemon) -> None:
    module = running.register()
    send(running.store, module, "a")
    async with await running.connect(module.module_hash) as socket:
        await socket.send(HELLO % 1)
        await hear_work(socket)
        await socket.send('{"type":"ack","id":"a"}')
        await eventually_async(lambda: stored(running.store, "a").status is MessageStatus.ACKED)
    await eventually_async(lambda: running.presence(module)[0] == "offline")
    async with await running.connect(module.module_hash) as socket:
        await socket.send(result_of("a"))
        assert await socket.recv() == "receive result"
    assert stored(running.store, "a").status is MessageStatus.SUCCEEDED


async def test_an_earlier_client_gets_everything_once_and_may_never_answer(
    running: RunningDaemon,
) -> None:
    module = running.register()
    send(running.store, module, "a", "b")
    async with await running.connect(module.module_hash) as socket:
        await socket.send("heartbeat")
        assert await socket.recv() == "heartbeat confirm"
        assert [(await hear_work(socket))["id"] for _ in range(2)] == ["a", "b"]
        await eventually_async(lambda: stored(running.store, "b").pushed_at)
    await eventually_async(lambda: running.presence(module)[0] == "offline")
    message = stored(running.store, "a")
    assert (message.status, message.deadline_at) == (MessageStatus.SENT, None)


async def test_an_earlier_client_that_names_nothing_answers_its_only_message(
    running: RunningDaemon,
) -> None:
    module = running.register()
    send(running.store, module, "a")
    async with await running.connect(module.module_hash) as socket:
        await hear_work(socket)
        await socket.send('{"status":"failed","message":"no data","rows":0}')
        assert await socket.recv() == "receive result"
    result = running.store.results.get(MessageId("a"))
    assert result is not None
    assert (result.status, result.error, result.content) == (
        ResultStatus.FAILURE,
        "no data",
        '{"rows":0}',
    )


async def test_a_module_answers_only_its_own_work(running: RunningDaemon) -> None:
    module, charlie = running.register(), running.register("charlie")
    send(running.store, module, "a")
    async with await running.connect(charlie.module_hash) as socket:
        for frame in ('{"type":"ack","id":"a"}', '{"type":"progress","id":"a","percent":1}'):
            await socket.send(frame)
        for message_id in ("a", "unknown"):
            await socket.send(result_of(message_id))
            error = json.loads(await socket.recv())
            assert error["code"] == "3002"
            assert repr(message_id) in error["message"]
        await socket.send("heartbeat")
        assert await socket.recv() == "heartbeat confirm"
    assert stored(running.store, "a").status is MessageStatus.QUEUED
    assert stored(running.store, "a").progress is None
    assert running.store.results.get(MessageId("a")) is None


async def test_a_server_without_change_streams_is_polled(
    settings: Settings, store: Store, wire_proxy: WireProxy
) -> None:
    far = replace(settings, mongodb_host=wire_proxy.uri)
    no_streams = refused(refusal(40573, "NoChangeStreams"), "aggregate", stage="$changeStream")
    with wire_proxy.injecting(no_streams):
        async with run_daemon(far, store) as running:
            await eventually_async(lambda: no_streams.met)
            module = running.register()
            async with await running.connect(module.module_hash) as socket:
                await socket.send(HELLO % 1)
                await socket.send("heartbeat")
                assert await socket.recv() == "heartbeat confirm"
                assert not running.daemon._work.stream.is_open
                send(store, module, "a")
                assert (await hear_work(socket))["id"] == "a"


async def test_the_change_stream_wakes_at_once(settings: Settings, store: Store) -> None:
    async with run_daemon(settings, store, command_poll_seconds=30.0) as running:
        module = running.register()
        async with await running.connect(module.module_hash) as socket:
            await socket.send(HELLO % 1)
            await eventually_async(lambda: running.daemon._work.stream.is_open)
            send(store, module, "a")
            assert (await hear_work(socket))["id"] == "a"


async def test_a_stopping_node_stores_what_it_was_told_and_gives_back_the_rest(
    settings: Settings, store: Store
) -> None:
    async with run_daemon(settings, store) as running:
        module = running.register()
        socket = await running.connect(module.module_hash)
        await socket.send(HELLO % 2)
        send(store, module, "a", "b", "c")
        assert [(await hear_work(socket))["id"] for _ in range(2)] == ["a", "b"]
        await socket.send(result_of("a"))
        heard = [await socket.recv() for _ in range(2)]  # the next message may be faster
        assert "receive result" in heard
    await socket.close()
    found = {one: stored(store, one) for one in ("b", "c")}
    assert {one: (m.status, m.node) for one, m in found.items()} == {
        "b": (MessageStatus.QUEUED, None),
        "c": (MessageStatus.QUEUED, None),
    }


async def test_a_thousand_results_in_a_second_disturb_no_other_module(
    running: RunningDaemon,
) -> None:
    module, polite = running.register(), running.register("polite")
    async with (
        await running.connect(module.module_hash) as flooding,
        await running.connect(polite.module_hash) as socket,
    ):
        longest = 0.0
        flood = asyncio.create_task(send_all(flooding, [result_of(f"m-{n}") for n in range(1000)]))
        while not flood.done() or longest == 0.0:
            started = time.monotonic()
            await socket.send("heartbeat")
            assert await socket.recv() == "heartbeat confirm"
            longest = max(longest, time.monotonic() - started)
            await asyncio.sleep(0.01)
        for _ in range(1000):
            assert json.loads(await flooding.recv())["code"] == "3002"
    assert longest < 1.0


async def send_all(socket: ClientConnection, frames: list[str]) -> None:
    for frame in frames:
        await socket.send(frame)


async def test_a_result_that_is_not_utf8_closes_with_1007_and_one_too_large_with_1009(
    running: RunningDaemon,
) -> None:
    module = running.register()
    for data, code in ((b'{"type":"result","id":"\xff"}', 1007), (b"x" * 10_000_000, 1009)):
        async with await running.connect(module.module_hash) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                await socket.send(data, text=True)
                while True:
                    await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code
