"""What is refused before it is a socket, and what a refusal must not do."""

import asyncio
import urllib.request
from urllib.error import HTTPError

import orjson

from tests.wsd.conftest import RunningDaemon


def fetch(address: str) -> tuple[int, str]:
    """Return status and code of what a browser would be shown."""
    try:
        urllib.request.urlopen(address)
    except HTTPError as error:
        with error:
            return error.code, orjson.loads(error.read())["code"]
    raise AssertionError("no refusal")


async def test_a_link_opened_in_a_browser_replaces_nobodys_socket(running: RunningDaemon) -> None:
    module = running.register()
    address = running.url(f"?hash={module.module_hash}").replace("ws://", "http://")
    async with await running.connect(module.module_hash) as socket:
        assert await asyncio.to_thread(fetch, address) == (400, "3002")
        await socket.send("heartbeat")
        assert await socket.recv() == "heartbeat confirm"
