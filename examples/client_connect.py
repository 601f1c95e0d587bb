"""Stay online as a module: heartbeats, answers, reconnects. forecast_with_sdk.py loses no result.

Needs the package websockets: .venv/bin/python examples/client_connect.py [name] [http://host:port]
Without a name it is the module that register.py registered last in this folder.
"""

import asyncio
import contextlib
import json
import random
import sys
import time
from functools import partial
from typing import Any

from command_line import read_command_line
from register import EXAMPLE, NotRegistered, Refused, read_kept, read_seconds, register

try:
    import websockets
except ImportError:
    sys.exit("The package websockets is missing: .venv/bin/python has it (./manage.sh up).")

HEARTBEAT_SECONDS = 30
HEARTBEATS_TO_CONFIRM = 2  # so many in a row without an answer: the connection is dead
LONGEST_PAUSE_SECONDS = 60
UNKNOWN = (404, 4501)
# What to wait besides: a newer session took over; an operator disabled the module, for now.
PAUSES_SECONDS = {4509: 60, 403: 600, 4503: 600, 4523: 600}

say = partial(print, flush=True)


async def stay_connected(address: str) -> None:
    """Hold one connection: a heartbeat every interval, an answer to every question."""
    async with websockets.connect(address, proxy=None, max_size=None, close_timeout=2) as socket:
        say("connected")
        unconfirmed = 0
        while unconfirmed < HEARTBEATS_TO_CONFIRM:
            await socket.send("heartbeat")
            unconfirmed += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    while True:
                        say("heard:", text := await socket.recv())
                        if text == "heartbeat confirm":
                            unconfirmed = 0
                        elif text.startswith("{"):
                            await socket.send(json.dumps(answer(json.loads(text))))
    raise ConnectionError("no heartbeat was confirmed")


def answer(frame: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a piece of work, or a sign of life."""
    if "id" not in frame or "message" not in frame:
        return {"type": "pong"}
    forecast = {"answer_to": frame["message"]}  # your model
    return {"type": "result", "id": frame["id"], "status": "success", "result": forecast}


def read_ending(error: Exception) -> tuple[int, str, float]:
    """Return the close code or HTTP status (0: none), why, and the seconds that were named."""
    if isinstance(error, websockets.InvalidStatus):
        answer = error.response
        try:
            why = json.loads(answer.body or b"")["message"]
        except (ValueError, KeyError, TypeError):
            why = "another program answers: is this the platform's port?"
        return answer.status_code, why, read_seconds(answer.headers.get("Retry-After"))
    if isinstance(error, websockets.ConnectionClosed) and error.rcvd:
        return error.rcvd.code, error.rcvd.reason, 0.0
    return 0, str(error) or type(error).__name__, getattr(error, "retry_after", 0.0)


async def main(name: str, platform: str, module_hash: str = "") -> None:
    """Connect for ever, with full-jitter back-off between the attempts; Refused ends it."""
    address, failures = platform.replace("http", "ws", 1), 0
    while True:
        code, pause, started = 0, 0.0, time.monotonic()
        try:
            module_hash = module_hash or register(name, platform)
            await stay_connected(f"{address}/websocket?hash={module_hash}")
        except Refused:
            raise
        except (OSError, EOFError, websockets.WebSocketException, NotRegistered) as error:
            code, why, pause = read_ending(error)
            say("disconnected:", code or "no answer", why)
        module_hash = "" if code in UNKNOWN else module_hash
        lasted = time.monotonic() - started
        failures = 1 if lasted > HEARTBEAT_SECONDS else failures + 1
        pause = max(pause, PAUSES_SECONDS.get(code, 0))
        pause += random.uniform(0, min(LONGEST_PAUSE_SECONDS, 2**failures))
        say(f"next attempt in {pause:.1f} s")
        await asyncio.sleep(pause)


if __name__ == "__main__":
    name, platform = read_command_line()
    kept_hash, kept_name = ("", name) if name else read_kept()
    try:
        asyncio.run(main(kept_name or EXAMPLE, platform, kept_hash))
    except Refused as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(130)
