"""A proxy that reads the driver's messages, and answers some of them as a failing server would."""

import asyncio
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import bson

from tests.support.background import BackgroundLoop

HEADER = struct.Struct("<iiii")
FLAGS_AND_KIND = struct.Struct("<iB")
MESSAGE = 2013
MORE_TO_COME = 2
READS = frozenset({"find", "getMore", "count", "listIndexes"})
WRITES = frozenset({"insert", "update", "delete", "findAndModify", "createIndexes", "dropIndexes"})

Document = dict[str, Any]
Change = Callable[[Document], Document]


def refusal(code: int, name: str) -> Document:
    """Return a server's answer to a command that it did not carry out."""
    return {"ok": 0.0, "code": code, "codeName": name, "errmsg": name}


NOT_WRITABLE = refusal(10107, "NotWritablePrimary")
NOT_READABLE = refusal(13435, "NotPrimaryNoSecondaryOk")
CONCERN_NOT_MET = {"code": 64, "codeName": "WriteConcernTimeout", "errmsg": "timed out"}
CONCERN_NOT_MET |= {"errInfo": {"wtimeout": True}}


@dataclass(eq=False, kw_only=True)
class Fault:
    """What goes wrong with some commands; `met` counts those that it could have hit.

    A command is carried out by the server unless it is refused; then its answer is changed, or cut.
    """

    commands: frozenset[str]
    collection: str | None = None
    stage: str | None = None  # that an aggregation begins with
    skip: int = 0
    times: int | None = None
    refuse_with: Document | None = None
    change: Change | None = None
    met: int = 0

    def hits(self, command: Mapping[str, Any]) -> bool:
        """Return whether this command is hit, and count it."""
        name = next(iter(command))
        if name not in self.commands or self.collection not in (None, command[name]):
            return False
        if self.stage is not None and self.stage not in command["pipeline"][0]:
            return False
        self.met += 1
        last = self.skip + (self.times if self.times is not None else self.met)
        return self.skip < self.met <= last


class WireProxy:
    """Forwards messages between drivers and a server, one at a time in each connection."""

    def __init__(self, background: BackgroundLoop, target_port: int) -> None:
        self._background = background
        self._target_port = target_port
        self._faults: list[Fault] = []
        self._links: set[asyncio.Task[Any]] = set()
        self._server = background.run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def uri(self) -> str:
        """Return the address of the database behind this proxy.

        A monitor that polls finds a recovered primary at once, as one that streams does from a
        server that tells of its own change.
        """
        options = "directConnection=true&retryWrites=false&serverMonitoringMode=poll"
        return f"mongodb://127.0.0.1:{self.port}/?{options}"

    @contextmanager
    def injecting(self, *faults: Fault) -> Iterator[None]:
        """Let these faults happen meanwhile; the first one that hits a command counts."""
        self._background.call(self._faults.extend, faults)
        try:
            yield
        finally:
            self._background.call(self._faults.clear)

    def close(self) -> None:
        """Listen no longer, and cut every connection."""
        self._background.run(self._close())

    async def _close(self) -> None:
        self._server.close()
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links)

    async def _serve(self, *client: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        writers = [client[1]]
        try:
            server = await asyncio.open_connection("127.0.0.1", self._target_port)
            writers.append(server[1])
            while await self._exchange(*client, *server):
                pass
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass
        finally:
            self._links.discard(task)
            for writer in writers:
                writer.transport.abort()

    async def _exchange(
        self,
        from_client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        from_server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> bool:
        """Forward one request and its answer; False when the connection is to be cut."""
        request = await _read_message(from_client)
        command = _decode(request)
        fault = next((f for f in self._faults if command and f.hits(command)), None)
        if fault is not None and fault.refuse_with is not None:
            to_client.write(_answer(request, fault.refuse_with))
            return True
        to_server.write(request)
        answer = await _read_message(from_server)
        if fault is not None:
            if fault.change is None:
                return False
            answer = _answer(request, fault.change(_decode(answer) or {}))
        to_client.write(answer)
        while _has_more_to_come(answer):  # a monitor's stream of greetings
            answer = await _read_message(from_server)
            to_client.write(answer)
        await to_client.drain()
        return True


def concern_not_met(answer: Document) -> Document:
    """Return the answer to a write that was done here, and not known to be done elsewhere."""
    return answer | {"writeConcernError": CONCERN_NOT_MET}


def not_met(*commands: str, **wanted: Any) -> Fault:
    """Return the fault of writes that are done, with a write concern that is not met."""
    return Fault(commands=frozenset(commands) or WRITES, change=concern_not_met, **wanted)


def refused(answer: Document, *commands: str, **wanted: Any) -> Fault:
    """Return the fault of commands that the server does not carry out."""
    return Fault(commands=frozenset(commands) or WRITES, refuse_with=answer, **wanted)


def cut(*commands: str, **wanted: Any) -> Fault:
    """Return the fault of a socket that closes when the server has carried out a command."""
    return Fault(commands=frozenset(commands) or READS | WRITES, **wanted)


def stepped_down() -> tuple[Fault, Fault]:
    """Return the faults of a server that is no primary any more."""
    return refused(NOT_WRITABLE), refused(NOT_READABLE, *READS)


async def _read_message(stream: asyncio.StreamReader) -> bytes:
    header = await stream.readexactly(HEADER.size)
    return header + await stream.readexactly(HEADER.unpack(header)[0] - HEADER.size)


def _decode(message: bytes) -> Document | None:
    """Return a message's document; None for the old form that a driver's first hello has."""
    if HEADER.unpack_from(message)[3] != MESSAGE:
        return None
    start = HEADER.size + FLAGS_AND_KIND.size
    size = struct.unpack_from("<i", message, start)[0]
    return bson.decode(message[start : start + size])


def _has_more_to_come(message: bytes) -> bool:
    header = HEADER.unpack_from(message)
    return header[3] == MESSAGE and bool(message[HEADER.size] & MORE_TO_COME)


def _answer(request: bytes, document: Document) -> bytes:
    body = FLAGS_AND_KIND.pack(0, 0) + bson.encode(document)
    number = HEADER.unpack_from(request)[1]
    return HEADER.pack(HEADER.size + len(body), 0, number, MESSAGE) + body
