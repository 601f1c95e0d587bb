"""A TCP proxy that does what networks do: it cuts, stalls, delays and loses answers."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.background import BackgroundLoop

CHUNK = 65536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
# How the driver's message begins that writes to `modules`, and the one that reads them by hash.
MODULE_WRITES = b"\x02update\x00\x08\x00\x00\x00modules\x00"
# How the write of one document begins: the statements of an update, and a whole insert.
COMMITS = (b"\x03u\x00", b"\x02insert\x00")
MODULE_READS = b"\x02find\x00\x08\x00\x00\x00modules\x00"

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(eq=False, kw_only=True)
class Treatment:
    """What is done with the answers of the requests that contain `words`; `met` counts them."""

    words: bytes
    delay_seconds: float = 0.0
    is_lost: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    met: int = 0


class Proxy:
    """Forwards connections from a port of its own to a server's, until it is told otherwise."""

    def __init__(self, background: BackgroundLoop, target_port: int) -> None:
        self._background = background
        self._target_port = target_port
        self._links: set[Link] = set()
        self._treatments: list[Treatment] = []
        self._server = background.run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.commit_seconds = 0.0
        self.flowing = asyncio.Event()
        self.flowing.set()

    def cut(self) -> None:
        """Reset every connection, on both sides; new ones are welcome."""
        self._background.call(self._reset_links)

    def stall(self) -> None:
        """Keep every connection open and forward nothing, not even its end."""
        self._background.call(self.flowing.clear)

    def restore(self) -> None:
        """Forward again, and let go what was held back."""
        self._background.call(self._restore)

    @contextmanager
    def holding(self, words: bytes) -> Iterator[Treatment]:
        """Hold back the answers of requests that contain these words."""
        with self._treating(Treatment(words=words)) as treatment:
            yield treatment

    @contextmanager
    def delaying(self, words: bytes, seconds: float) -> Iterator[Treatment]:
        """Delay the answers of requests that contain these words."""
        treatment = Treatment(words=words, delay_seconds=seconds)
        treatment.gate.set()
        with self._treating(treatment):
            yield treatment

    @contextmanager
    def losing(self, words: bytes) -> Iterator[Treatment]:
        """Cut the connection when the server has answered a request that contains these words."""
        treatment = Treatment(words=words, is_lost=True)
        treatment.gate.set()
        with self._treating(treatment):
            yield treatment

    @contextmanager
    def with_slow_disk(self, commit_seconds: float) -> Iterator[None]:
        """Delay the answers to writes by so much for each commit that the server makes."""
        self.commit_seconds = commit_seconds
        try:
            yield
        finally:
            self.commit_seconds = 0.0

    def close(self) -> None:
        """Listen no longer, and reset what is connected."""
        self._background.call(self._server.close)
        self.cut()

    @contextmanager
    def _treating(self, treatment: Treatment) -> Iterator[Treatment]:
        self._background.call(self._treatments.append, treatment)
        try:
            yield treatment
        finally:
            self._background.call(self._end, treatment)

    def _end(self, treatment: Treatment) -> None:
        if treatment in self._treatments:
            self._treatments.remove(treatment)
        treatment.gate.set()

    def _restore(self) -> None:
        for treatment in list(self._treatments):
            self._end(treatment)
        self.flowing.set()

    def _reset_links(self) -> None:
        for link in list(self._links):
            link.reset()

    def find_treatment(self, request: bytes) -> Treatment | None:
        """Return what is to be done with the answer to this request."""
        return next((t for t in self._treatments if t.words in request), None)

    async def _serve(self, *client: Any) -> None:
        try:
            server = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            _reset(client[1])
            return
        link = Link(self, client, server)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, client: Stream, server: Stream) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._treatment: Treatment | None = None
        self._commits = 0

    async def run(self) -> None:
        """Forward both ways until one side ends."""
        pumps = [
            asyncio.create_task(self._forward_requests()),
            asyncio.create_task(self._forward_answers()),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._client[1].close()
            self._server[1].close()

    def reset(self) -> None:
        """Reset both sides."""
        _reset(self._client[1])
        _reset(self._server[1])

    async def _forward_requests(self) -> None:
        while data := await self._read(self._client):
            self._treatment = self._proxy.find_treatment(data) or self._treatment
            self._commits += sum(data.count(words) for words in COMMITS)
            await self._write(self._server, data)

    async def _forward_answers(self) -> None:
        while data := await self._read(self._server):
            commits, self._commits = self._commits, 0
            await asyncio.sleep(commits * self._proxy.commit_seconds)
            treatment, self._treatment = self._treatment, None
            if treatment is not None:
                treatment.met += 1
                await asyncio.sleep(treatment.delay_seconds)
                await treatment.gate.wait()
                if treatment.is_lost:
                    self.reset()
                    return
            await self._write(self._client, data)

    async def _read(self, side: Stream) -> bytes:
        try:
            data = await side[0].read(CHUNK)
        except OSError:
            data = b""
        await self._proxy.flowing.wait()
        return data

    @staticmethod
    async def _write(side: Stream, data: bytes) -> None:
        try:
            side[1].write(data)
            await side[1].drain()
        except OSError:
            return  # the reader of this side notices, too


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()
