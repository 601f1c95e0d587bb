"""The other end of a socket, which says and hears bytes: also such as no library would send."""

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Any

import orjson

REQUEST = (
    b"GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@dataclass
class Peer:
    """The other end of one socket, which says bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self, count: int) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.readexactly(count)

    async def hear_head(self) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def hear_rest(self) -> bytes:
        """Return all that comes until the platform hangs up; nothing after a reset."""
        try:
            async with asyncio.timeout(5):
                return await self.reader.read()
        except ConnectionError:
            return b""

    async def hear_envelope(self) -> tuple[int, Any]:
        status = int((await self.hear_head()).split()[1])
        return status, orjson.loads(await self.hear_rest())

    def stop_reading(self) -> None:
        self.writer.transport.pause_reading()

    def reset(self) -> None:
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
