"""The limit of heartbeats: a websockets server on uvloop that only answers."""

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, serve


async def answer(connection: ServerConnection) -> None:
    """Confirm every message."""
    async for _ in connection:
        await connection.send("heartbeat confirm")


async def main(port: int) -> None:
    """Serve until killed."""
    async with serve(answer, "127.0.0.1", port, compression=None, backlog=4096):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
