"""Stay online as the module of module_hash.txt: heartbeats, answers, reconnects.

Needs the package websockets: python examples/client_connect.py [name] [http://host:port]
"""

import asyncio
import random
import sys

import websockets
from register import HASH_FILE, PLATFORM, register

HEARTBEAT_SECONDS = LONGEST_PAUSE_SECONDS = 30
UNKNOWN, REPLACED, DISABLED = (404, 4501), (4509,), (403, 4523)


async def stay_connected(address: str) -> None:
    """Hold one connection: a heartbeat every interval, an answer to every question."""
    async with websockets.connect(address, proxy=None) as socket:
        print("connected")
        while True:
            await socket.send("heartbeat")
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    while True:
                        print("heard:", text := await socket.recv())
                        if text.startswith("{"):
                            await socket.send('{"type":"pong"}')
            except TimeoutError:
                continue  # time for the next heartbeat


def code_of(error: Exception) -> int:
    """Return the close code or the HTTP status that ended a connection, or 0."""
    if isinstance(error, websockets.InvalidStatus):
        return error.response.status_code
    return getattr(getattr(error, "rcvd", None), "code", 0)


async def main(name: str, platform: str) -> None:
    """Connect for ever, with full-jitter back-off between the attempts."""
    module_hash = HASH_FILE.read_text() if HASH_FILE.exists() else ""
    address, failures, code = platform.replace("http", "ws", 1), 0, 0
    while code not in DISABLED:
        started = asyncio.get_running_loop().time()
        try:
            module_hash = module_hash or register(name, platform)
            await stay_connected(f"{address}/websocket?hash={module_hash}")
        except (OSError, websockets.WebSocketException) as error:
            print("disconnected:", error)
            code = code_of(error)
        module_hash = "" if code in UNKNOWN else module_hash
        lasted = asyncio.get_running_loop().time() - started
        failures = 1 if lasted > HEARTBEAT_SECONDS else failures + 1
        pause = random.uniform(0, min(LONGEST_PAUSE_SECONDS, 2**failures))
        await asyncio.sleep(pause + (60 if code in REPLACED else 0))


if __name__ == "__main__":
    defaults = ["example-load", PLATFORM]
    asyncio.run(main(*(sys.argv[1:] + defaults[len(sys.argv) - 1 :])))
