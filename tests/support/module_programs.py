"""Modules' programs: real WebSocket clients that heartbeat, note what they hear, and come back."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from shared.domain.ids import ModuleHash
from tests.support.background import BackgroundLoop
from tests.support.eventually import eventually

HEARTBEAT_SECONDS = 0.2
OPEN_SECONDS = 12.0
# Old sessions are given this time to be replaced before a program comes back.
RETURN_WITHIN_SECONDS = 0.3


@dataclass(frozen=True)
class Refusal:
    """A handshake that was answered with something else than a socket."""

    status: int
    code: str
    retry_after: int | None


@dataclass(eq=False)
class ModuleProgram:
    """One module's program; its attributes are what it has seen of the platform."""

    module_hash: ModuleHash
    url: str
    returns: bool = False
    is_patient: bool = False
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    socket: ClientConnection | None = None
    confirmed: int = 0
    confirmed_at: float = 0.0
    opened: int = 0
    close_codes: list[int] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    failures: int = 0
    is_hanging: bool = False

    @property
    def is_open(self) -> bool:
        """Return whether it is connected and has heard at least one confirmation."""
        return self.socket is not None and self.confirmed_at > 0

    @property
    def local_address(self) -> str:
        """Return its end of the connection, which a wsd calls the peer."""
        assert self.socket is not None
        host, port = self.socket.local_address
        return f"{host}:{port}"

    @property
    def is_told_to_wait(self) -> bool:
        """Return whether it was not let in yet for want of a database that keeps up: it asks again."""
        last = self.refusals[-1] if self.refusals else None
        return self.is_patient and not self.opened and last is not None and last.code == "5003"

    @property
    def is_over(self) -> bool:
        """Return whether its (latest) attempt or connection has ended."""
        return self.socket is None and bool(self.close_codes or self.refusals or self.failures)

    async def run(self) -> None:
        """Connect and heartbeat until the socket closes; again and again if it returns."""
        while True:
            try:
                await self._live()
            except InvalidStatus as error:
                self.refusals.append(_read_refusal(error))
            except (OSError, InvalidHandshake, EOFError, TimeoutError):
                self.failures += 1
            if not (self.returns or self.is_told_to_wait):
                return
            await asyncio.sleep(random.uniform(0, RETURN_WITHIN_SECONDS))

    async def _live(self) -> None:
        socket = await connect(
            self.url, proxy=None, compression=None, ping_interval=None, open_timeout=OPEN_SECONDS
        )
        self.socket, self.confirmed_at = socket, 0.0
        self.opened += 1
        sending = asyncio.create_task(self._send_heartbeats(socket))
        try:
            async for message in socket:
                if message == "heartbeat confirm":
                    self.confirmed += 1
                    self.confirmed_at = time.monotonic()
        except ConnectionClosed:
            pass  # noted below, with its code
        finally:
            sending.cancel()
            self.socket = None
            self.close_codes.append(socket.close_code or 1006)
            socket.transport.abort()

    async def _send_heartbeats(self, socket: ClientConnection) -> None:
        try:
            while True:
                if not self.is_hanging:
                    await socket.send("heartbeat")
                await asyncio.sleep(self.heartbeat_seconds)
        except ConnectionClosed:
            return


def _read_refusal(error: InvalidStatus) -> Refusal:
    response = error.response
    retry_after = response.headers.get("Retry-After")
    envelope = orjson.loads(response.body or b"{}")
    return Refusal(
        response.status_code, envelope.get("code", ""), int(retry_after) if retry_after else None
    )


def _is_let_in(program: ModuleProgram) -> bool:
    stays_out = program.is_over and not program.is_told_to_wait
    assert program.returns or not stays_out, f"was not let in: {program}"
    return program.is_open


class ModulePrograms:
    """Many programs at once, in a loop of their own; `connect` names the door they take."""

    def __init__(self, background: BackgroundLoop) -> None:
        self._background = background
        self._tasks: list[asyncio.Task[None]] = []

    def start(
        self, modules: Sequence[ModuleHash], door: Callable[[ModuleHash], str], **options: object
    ) -> list[ModuleProgram]:
        """Start one program per module and do not wait for anything."""
        programs = [ModuleProgram(m, door(m), **options) for m in modules]  # type: ignore[arg-type]
        self._tasks += self._background.spawn(program.run() for program in programs)
        return programs

    def connect(
        self, modules: Sequence[ModuleHash], door: Callable[[ModuleHash], str], **options: object
    ) -> list[ModuleProgram]:
        """Start one program per module and wait until all of them are connected."""
        programs = self.start(modules, door, is_patient=True, **options)
        eventually(lambda: all(_is_let_in(program) for program in programs), 20)
        return programs

    def vanish(self, programs: Sequence[ModuleProgram]) -> None:
        """Have programs die: their sockets are gone without a word."""

        def abort() -> None:
            for program in programs:
                program.returns = False
                if program.socket is not None:
                    program.socket.transport.abort()

        self._background.call(abort)

    def disband(self) -> None:
        """End every program."""
        tasks, self._tasks = self._tasks, []
        self._background.run(_end_tasks(tasks))


async def _end_tasks(tasks: Sequence["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
