"""The database fails under a daemon's batches: no claim is lost, and the history is complete."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from shared.domain.event import module_subject
from shared.domain.module import Module
from shared.settings import Settings
from shared.store import Store
from tests.support.eventually import eventually_async
from tests.support.ports import free_port
from tests.support.wire_proxy import (
    NOT_WRITABLE,
    Fault,
    WireProxy,
    cut,
    not_met,
    refused,
    stepped_down,
)
from tests.wsd.conftest import FAST, RunningDaemon
from wsd.daemon import Daemon

STEPDOWN_SECONDS = 10.0


@pytest_asyncio.fixture
async def far_daemon(
    settings: Settings, store: Store, wire_proxy: WireProxy
) -> AsyncIterator[RunningDaemon]:
    """A daemon that reaches the test's database through the proxy."""
    far = replace(settings, mongodb_host=wire_proxy.uri, wsd_port=free_port(), **FAST)
    daemon = Daemon(far, index=0)
    server = await daemon.startup()
    await eventually_async(lambda: daemon._hub.node is not None)
    yield RunningDaemon(daemon=daemon, port=far.wsd_port, settings=far, store=store)
    await daemon.shutdown(server)


async def connect_at_last(running: RunningDaemon, module: Module) -> ClientConnection:
    """Connect as a module does: refused with 503, it comes again; anything else is a fault."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await running.connect(module.module_hash)
            except InvalidStatus as refusal:
                if (refusal.response.status_code, b'"5003"' in refusal.response.body) != (
                    503,
                    True,
                ):
                    pytest.fail(f"refused with {refusal.response}")
                await asyncio.sleep(0.1)


def read_history(running: RunningDaemon, module: Module) -> list[tuple[str, int]]:
    """Return (what, epoch) of a module's sessions, in order."""
    events = running.store.events.find(subject=module_subject(module.module_hash))
    return [(event.what, event.epoch) for event in events if event.epoch]


def assert_complete(history: list[tuple[str, int]]) -> None:
    """Every session that began has ended but the last, and none ended that had not begun."""
    epochs = sorted({epoch for _, epoch in history})
    assert (
        history
        == [(what, epoch) for epoch in epochs for what in ("online", "offline")][: len(history)]
    )
    assert history[-1][0] == "online"


CASES = {
    "write concern not met": [not_met(times=4)],
    "write concern not met by sessions": [not_met("update", collection="modules", times=2)],
    "write concern not met by events": [not_met("insert", collection="events", times=2)],
    "no primary on the second write": [refused(NOT_WRITABLE, skip=1, times=1)],
    "no primary on the third write": [refused(NOT_WRITABLE, skip=2, times=1)],
    "socket closed after the sessions": [cut("update", collection="modules", times=1)],
    "socket closed after the events": [cut("insert", collection="events", times=1)],
}


def renewed(faults: list[Fault]) -> list[Fault]:
    return [replace(fault, met=0) for fault in faults]


@pytest.mark.parametrize("name", CASES)
async def test_no_claim_is_lost_and_the_history_is_complete(
    far_daemon: RunningDaemon, wire_proxy: WireProxy, name: str
) -> None:
    modules = [far_daemon.register(f"module-{n}") for n in range(5)]
    with wire_proxy.injecting(*renewed(CASES[name])):
        connecting = (connect_at_last(far_daemon, module) for module in modules)
        sockets = await asyncio.gather(*connecting)
    names = sorted(module.name for module in modules)
    await eventually_async(lambda: sorted(far_daemon.online()) == names)
    for module in modules:
        assert_complete(read_history(far_daemon, module))
    for socket in sockets:
        await socket.close()
    await eventually_async(lambda: far_daemon.online() == [])
    for module in modules:
        await eventually_async(lambda m=module: read_history(far_daemon, m)[-1][0] == "offline")


async def test_sockets_outlive_a_stepdown(far_daemon: RunningDaemon, wire_proxy: WireProxy) -> None:
    stayed, newcomer = far_daemon.register("stayed"), far_daemon.register("newcomer")
    socket = await far_daemon.connect(stayed.module_hash)

    async def speak() -> None:
        while True:
            await socket.send("heartbeat")
            assert await socket.recv() == "heartbeat confirm"
            await asyncio.sleep(0.2)

    speaking = asyncio.create_task(speak())
    with wire_proxy.injecting(*stepped_down()):
        knocking = asyncio.create_task(connect_at_last(far_daemon, newcomer))
        await asyncio.sleep(STEPDOWN_SECONDS)
    other_socket = await knocking
    await eventually_async(lambda: sorted(far_daemon.online()) == ["newcomer", "stayed"])
    assert read_history(far_daemon, stayed) == [("online", 1)]
    assert_complete(read_history(far_daemon, newcomer))
    assert not speaking.done()
    speaking.cancel()
    for opened in (socket, other_socket):
        await opened.close()
