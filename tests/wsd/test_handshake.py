"""What is refused before it is a socket, and what a refusal must not do."""

import asyncio
import time
import urllib.request
from urllib.error import HTTPError

import orjson
import pytest
from websockets.exceptions import InvalidStatus

from tests.support.byte_peer import REQUEST, Peer
from tests.wsd.conftest import RunningDaemon


def fetch(address: str) -> tuple[int, str]:
    """Return status and code of what a browser would be shown."""
    try:
        with urllib.request.urlopen(address) as answer:
            return answer.status, orjson.loads(answer.read())["code"]
    except HTTPError as error:
        with error:
            return error.code, orjson.loads(error.read())["code"]


async def test_a_link_opened_in_a_browser_replaces_nobodys_socket(running: RunningDaemon) -> None:
    module = running.register()
    address = running.url(f"?hash={module.module_hash}").replace("ws://", "http://")
    async with await running.connect(module.module_hash) as socket:
        assert await asyncio.to_thread(fetch, address) == (400, "3002")
        await socket.send("heartbeat")
        assert await socket.recv() == "heartbeat confirm"


def cut_off(running: RunningDaemon) -> None:
    """Have the lease look as old as it is after an outage of its whole length."""
    running.daemon._lease.renewed_at = time.monotonic() - running.settings.lease_seconds - 1


async def test_a_node_with_a_lease_is_ready(running: RunningDaemon) -> None:
    address = f"http://127.0.0.1:{running.port}/readyz"
    assert await asyncio.to_thread(fetch, address) == (200, "2000")


async def test_a_node_without_a_lease_is_alive_but_not_ready(running: RunningDaemon) -> None:
    cut_off(running)
    address = f"http://127.0.0.1:{running.port}"
    assert await asyncio.to_thread(fetch, f"{address}/readyz") == (503, "5003")
    assert await asyncio.to_thread(fetch, f"{address}/healthz") == (200, "2000")


async def test_a_node_without_a_lease_keeps_its_sockets_and_refuses_new_ones(
    running: RunningDaemon,
) -> None:
    held, refused = running.register("held"), running.register("refused")
    async with await running.connect(held.module_hash) as socket:
        cut_off(running)
        with pytest.raises(InvalidStatus) as refusal:
            await running.connect(refused.module_hash)
        assert refusal.value.response.status_code == 503
        assert refusal.value.response.headers["Retry-After"] == "2"
        await socket.send("heartbeat")
        assert await socket.recv() == "heartbeat confirm"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"//[/../websocket?hash=0", 404),
        (b"//[", 404),
        (b"/websocket?hash=%[", 404),
        (b"/websocket?//[", 400),
    ],
)
async def test_a_target_that_is_no_address_is_refused_without_an_error_in_the_log(
    running: RunningDaemon, caplog: pytest.LogCaptureFixture, target: bytes, status: int
) -> None:
    peer = Peer(*await asyncio.open_connection("127.0.0.1", running.port))
    await peer.say(REQUEST % target)
    heard, envelope = await peer.hear_envelope()
    peer.reset()
    assert (heard, envelope["code"]) == (status, {400: "3002", 404: "3003"}[status])
    assert [line.message for line in caplog.records if line.levelname == "ERROR"] == []
