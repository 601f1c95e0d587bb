"""Modules' programs that work: they take messages, acknowledge them, and send their results."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from shared.domain.ids import ModuleHash
from tests.support.background import BackgroundLoop
from tests.support.eventually import eventually

RETURN_WITHIN_SECONDS = 0.2
HEARTBEAT_SECONDS = 0.2


@dataclass(eq=False)
class WorkingProgram:
    """One module's program; it keeps its results, and sends them again until they are stored.

    An earlier client says no hello, acknowledges nothing, and sends each result once.
    """

    module_hash: ModuleHash
    door: Callable[[ModuleHash], str]
    is_earlier: bool = False
    acks: bool = True
    answers: bool = True
    in_flight: int = 5
    received: list[tuple[str, int]] = field(default_factory=list)
    unstored: "deque[str]" = field(default_factory=deque)
    cancelled: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    socket: ClientConnection | None = None

    async def run(self) -> None:
        """Connect and work, again and again."""
        while True:
            try:
                await self._live()
            except (OSError, InvalidHandshake, ConnectionClosed, EOFError, TimeoutError):
                pass
            self.socket = None
            await asyncio.sleep(random.uniform(0, RETURN_WITHIN_SECONDS))

    async def _live(self) -> None:
        async with connect(
            self.door(self.module_hash), proxy=None, compression=None, ping_interval=None
        ) as socket:
            if not self.is_earlier:
                hello = {"type": "hello", "acks": True, "in_flight": self.in_flight}
                await socket.send(orjson.dumps(hello).decode())
            for message_id in self.unstored:
                await self.send_result(socket, message_id)
            self.socket = socket
            beating = asyncio.create_task(self._send_heartbeats(socket))
            try:
                async for text in socket:
                    await self._hear(socket, str(text))
            finally:
                beating.cancel()

    async def _send_heartbeats(self, socket: ClientConnection) -> None:
        try:
            while True:
                await socket.send("heartbeat")
                await asyncio.sleep(HEARTBEAT_SECONDS)
        except ConnectionClosed:
            return

    async def _hear(self, socket: ClientConnection, text: str) -> None:
        if text == "receive result":
            if self.unstored:
                self.unstored.popleft()
            return
        if not text.startswith("{"):
            return
        frame = orjson.loads(text)
        if "message" in frame and "attempt" in frame:
            await self._work(socket, frame["id"], frame["attempt"])
        elif frame.get("type") == "cancel":
            self.cancelled.append(frame["id"])
        elif frame.get("status") == "error":
            self.errors.append(frame["message"])

    async def _work(self, socket: ClientConnection, message_id: str, attempt: int) -> None:
        self.received.append((message_id, attempt))
        if self.acks and not self.is_earlier:
            await socket.send(orjson.dumps({"type": "ack", "id": message_id}).decode())
        if self.answers and message_id not in self.unstored:
            if not self.is_earlier:
                self.unstored.append(message_id)
            await self.send_result(socket, message_id)

    @staticmethod
    async def send_result(socket: ClientConnection, message_id: str) -> None:
        """Send the result of a message."""
        said = {"type": "result", "id": message_id, "status": "success", "result": message_id}
        await socket.send(orjson.dumps(said).decode())


class WorkingPrograms:
    """Many programs at once, in a loop of their own."""

    def __init__(self, background: BackgroundLoop) -> None:
        self._background = background
        self._tasks: list[asyncio.Task[None]] = []

    def start(
        self, modules: Sequence[ModuleHash], door: Callable[[ModuleHash], str], **options: object
    ) -> list[WorkingProgram]:
        """Start one program per module and wait until all of them are connected."""
        programs = [WorkingProgram(m, door, **options) for m in modules]  # type: ignore[arg-type]
        self._tasks += self._background.spawn(program.run() for program in programs)
        eventually(lambda: all(program.socket for program in programs), 20)
        return programs

    def move(self, program: WorkingProgram, door: Callable[[ModuleHash], str]) -> None:
        """Have a program connect elsewhere, its old socket gone without a word."""

        def abort() -> None:
            program.door = door
            if program.socket is not None:
                program.socket.transport.abort()

        self._background.call(abort)

    def say(self, program: WorkingProgram, text: str) -> None:
        """Have a program send something."""
        assert program.socket is not None
        self._background.run(program.socket.send(text))

    def disband(self) -> None:
        """End every program."""
        tasks, self._tasks = self._tasks, []
        self._background.run(_end(tasks))


async def _end(tasks: Sequence["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
