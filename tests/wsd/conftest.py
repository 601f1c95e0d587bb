"""A daemon inside the test, on a real database, with times of a few hundred milliseconds."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio
import uvloop
from websockets.asyncio.client import ClientConnection, connect

from shared.domain.ids import ModuleHash
from shared.domain.module import Module, Registration
from shared.services.module_listing import get_module, list_online, presence_rules
from shared.services.registration import register_module
from shared.settings import Settings
from shared.store import Store
from tests.support.eventually import eventually_async
from tests.support.ports import free_port
from tests.support.socket_server import Server
from tests.support.work_desk import WorkDesk
from wsd.daemon import Daemon

SCALE = 0.1  # one of the platform's seconds lasts this long here
FAST = {
    "websocket_ping_interval_seconds": 30 * SCALE / 10,
    "websocket_timeout_seconds": 90 * SCALE / 10,
    "protocol_ping_seconds": 20 * SCALE / 10,
    "heartbeat_flush_seconds": 1 * SCALE,
    "reconcile_seconds": 5 * SCALE,
    "command_poll_seconds": 1 * SCALE,
    "takeover_probe_seconds": 5 * SCALE,
}


@dataclass
class RunningDaemon:
    """The daemon under test, and what a module or an operator would do with it."""

    daemon: Daemon
    port: int
    settings: Settings
    store: Store

    def url(self, query: str) -> str:
        return f"ws://127.0.0.1:{self.port}/websocket{query}"

    def register(self, name: str = "load-forecast") -> Module:
        return register_module(self.store, Registration(name=name), datetime.now(UTC)).module

    async def connect(self, module_hash: ModuleHash, **options: object) -> ClientConnection:
        return await connect(self.url(f"?hash={module_hash}"), proxy=None, **options)

    def online(self) -> list[str]:
        now = datetime.now(UTC)
        listing = list_online(self.store, presence_rules(self.settings), now)
        return [item.module.name for item in listing.modules]

    def presence(self, module: Module) -> tuple[str, str | None]:
        now = datetime.now(UTC)
        rules = presence_rules(self.settings)
        presence = get_module(self.store, module.module_hash, rules, now).presence
        return presence.state.value, presence.reason.value if presence.reason else None


@asynccontextmanager
async def run_daemon(
    settings: Settings, store: Store, **overrides: object
) -> AsyncIterator[RunningDaemon]:
    """Run a daemon of this test's own; what `overrides` says is not what all others have."""
    logging.getLogger("websockets").setLevel(logging.WARNING)
    port = free_port()
    fast = replace(settings, wsd_port=port, **FAST | overrides)
    daemon = Daemon(fast, index=0)
    server = await daemon.startup()
    try:
        await eventually_async(lambda: daemon._lease.age_seconds() is not None and daemon._hub.node)
        yield RunningDaemon(daemon=daemon, port=port, settings=fast, store=store)
    finally:
        await daemon.shutdown(server)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run these tests on the loop of production."""
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def running(settings: Settings, store: Store) -> AsyncIterator[RunningDaemon]:
    async with run_daemon(settings, store) as made:
        yield made


@pytest_asyncio.fixture
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


@pytest_asyncio.fixture
async def desk(store: Store) -> AsyncIterator[WorkDesk]:
    """A node's dispatcher and inbox over a real database."""
    made = WorkDesk(store)
    yield made
    made.database.close()
