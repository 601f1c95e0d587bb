"""What stays of a session: how it ended, when it began, and nothing of a deleted module."""

import asyncio
import json
from typing import Any

from shared.clock import utc_now
from shared.domain.event import module_subject
from shared.domain.module import Module
from shared.services.module_admin import close_module, delete_module
from tests.support.builders import ACTOR
from tests.support.eventually import eventually_async
from tests.wsd.conftest import RunningDaemon


def read(running: RunningDaemon, module: Module) -> Module:
    found = running.store.modules.get(module.module_hash)
    assert found is not None
    return found


def last_event(running: RunningDaemon, module: Module) -> tuple[str, str | None, dict[str, Any]]:
    event = running.store.events.find(subject=module_subject(module.module_hash))[-1]
    return event.what, event.reason, dict(event.detail)


async def test_a_bye_says_why_and_until_when(running: RunningDaemon) -> None:
    module = running.register()
    socket = await running.connect(module.module_hash)
    said = {"type": "bye", "reason": "maintenance", "back_by": "2026-11-22T06:00Z"}
    await socket.send(json.dumps(said))
    await socket.wait_closed()
    await eventually_async(lambda: running.presence(module) == ("offline", "bye"))
    kept = {
        "bye_reason": "maintenance",
        "back_by": "2026-11-22T06:00Z",
        "close_code": 1000,
        "close_text": "bye",
    }
    assert read(running, module).offline_detail == kept
    what, reason, detail = last_event(running, module)
    assert (what, reason) == ("offline", "bye")
    assert kept.items() <= detail.items()


async def test_a_socket_closed_by_its_module_keeps_code_and_text(running: RunningDaemon) -> None:
    module = running.register()
    socket = await running.connect(module.module_hash)
    await socket.close(3001, "out of memory")
    await eventually_async(lambda: running.presence(module) == ("offline", "connection_lost"))
    kept = {"close_code": 3001, "close_text": "out of memory"}
    assert read(running, module).offline_detail == kept


async def test_a_module_whose_node_carries_out_the_command_first_is_closed(
    running: RunningDaemon,
) -> None:
    module = running.register()
    socket = await running.connect(module.module_hash)
    commands = running.store.node_commands
    insert = commands.insert

    def insert_and_wait(written: Any) -> None:
        insert(written)
        while read(running, module).session is not None:
            pass

    commands.insert = insert_and_wait
    connected = read(running, module)
    await asyncio.to_thread(close_module, running.store, connected, utc_now(), ACTOR)
    await socket.wait_closed()
    assert socket.close_code == 4010
    assert running.presence(module) == ("offline", "closed_by_operator")
    (offline,) = running.store.events.find(reason="closed_by_operator")
    assert offline.actor == ACTOR


async def test_a_rebound_session_keeps_its_beginning_and_is_no_login(
    running: RunningDaemon,
) -> None:
    module = running.register()
    async with await running.connect(module.module_hash) as socket:
        before = read(running, module)
        node = running.daemon._hub.node
        assert node is not None
        assert running.store.nodes.declare_dead(
            node.id, _renewals(running, node.id), running.store.nodes.get(node.id).lease_until
        )
        running.daemon._lease.renew_soon()

        def is_rebound() -> bool:
            session = read(running, module).session
            return session is not None and session.node != node.id

        async with asyncio.timeout(10):
            while not await asyncio.to_thread(is_rebound):
                await socket.send("heartbeat")
                await socket.recv()
        after = read(running, module)
    assert after.session.id == before.session.id
    assert after.session.connected_at == before.session.connected_at
    assert after.last_login_time == before.last_login_time
    assert after.epoch > before.epoch


def _renewals(running: RunningDaemon, node_id: str) -> int:
    node = running.store.nodes.get(node_id)
    assert node is not None
    return node.renewals


async def test_nothing_is_left_of_a_module_that_was_deleted_while_it_was_connected(
    running: RunningDaemon,
) -> None:
    module = running.register()
    charlie = running.register("charlie")
    socket = await running.connect(module.module_hash)
    async with await running.connect(charlie.module_hash) as other:
        await socket.send("heartbeat")
        await socket.recv()
        delete_module(running.store, module.module_hash, utc_now(), ACTOR)
        await socket.wait_closed()
        assert socket.close_code == 4501
        # A flush that began after the deleted module's end has written its last heartbeat, too.
        await eventually_async(lambda: not running.daemon._flush._departed)
        await other.send("heartbeat")
        await eventually_async(
            lambda: running.store.heartbeats.get(charlie.module_hash).heartbeat_at is not None
        )
        await eventually_async(
            lambda: running.store.heartbeats.get(module.module_hash).heartbeat_at is None
        )
