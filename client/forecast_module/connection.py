"""One connection, from its handshake to its end."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine
from datetime import datetime, timedelta, timezone
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from forecast_module import protocol
from forecast_module.ending import Ending
from forecast_module.registration import read_retry_after
from forecast_module.result_sender import Ambiguous, GivenUp, ResultSender
from forecast_module.timing import Timing
from forecast_module.version import __version__
from forecast_module.work_loop import WorkLoop

LARGEST_FRAME_BYTES = 64 * 1024 * 1024
INBOX_FRAMES = 1000
# ImportError: a SOCKS proxy needs a package that is not installed.
UNREACHABLE = (OSError, EOFError, ImportError, asyncio.TimeoutError, WebSocketException)

log = logging.getLogger("forecast_module")


class Connection:
    """Heartbeats, work and results on one socket; lives in the link's thread and loop."""

    def __init__(
        self,
        url: str,
        name: str,
        work: WorkLoop,
        results: ResultSender,
        timing: Timing,
        *,
        use_proxy: bool,
    ) -> None:
        self._url = url
        self._name = name
        self._work = work
        self.results = results
        self._timing = timing
        self._use_proxy = use_proxy
        self._socket: ClientConnection | None = None
        self._loop = asyncio.get_running_loop()
        self._confirmed_at = 0.0
        self._inbox: asyncio.Queue[protocol.Work | protocol.Cancel] = asyncio.Queue(INBOX_FRAMES)

    @property
    def is_open(self) -> bool:
        """Return whether frames can be sent."""
        return self._socket is not None

    async def live(self, in_flight: int) -> Ending:
        """Connect, stay connected, and return how it ended."""
        began = self._loop.time()
        try:
            socket = await self._open()
        except InvalidStatus as error:
            return _read_refusal(error)
        except UNREACHABLE as error:
            return Ending(0, f"{type(error).__name__}: {error}".rstrip(": "))
        self._socket, self._confirmed_at = socket, self._loop.time()
        log.info("Connected as %s to %s", self._name, self._url)
        try:
            given_up = await self._run(socket, in_flight)
        finally:
            self._socket = None
            await _close(socket)
        lasted = self._loop.time() - began
        if given_up is not None:
            is_ambiguous = isinstance(given_up, Ambiguous)
            return Ending(0, str(given_up), lasted=lasted, is_ambiguous=is_ambiguous)
        return Ending(socket.close_code or 0, socket.close_reason or "", lasted=lasted)

    async def send(self, text: str) -> None:
        """Send a frame, or lose it."""
        try:
            if self._socket is not None:
                await self._socket.send(text)
        except ConnectionClosed:
            pass  # what must not be lost is sent again by the next connection

    async def leave(self, reason: str, back_within: float | None) -> None:
        """Say goodbye, and wait for the platform to close."""
        if self._socket is None:
            return
        back_by = None
        if back_within is not None:
            time_of_return = datetime.now(timezone.utc) + timedelta(seconds=back_within)
            back_by = time_of_return.isoformat(timespec="seconds")
        socket = self._socket
        await self.send(protocol.bye(reason, back_by))
        await asyncio.wait([asyncio.ensure_future(socket.wait_closed())], timeout=2)

    async def _open(self) -> ClientConnection:
        return await connect(
            self._url,
            proxy=True if self._use_proxy else None,
            compression=None,
            open_timeout=self._timing.open,
            ping_interval=None,  # the heartbeat's confirmation says more than a pong
            close_timeout=2,
            max_size=LARGEST_FRAME_BYTES,
        )

    async def _run(self, socket: ClientConnection, in_flight: int) -> GivenUp | None:
        """Do everything at once until one thing ends; return why, if we gave up."""
        await self.send(protocol.hello(__version__, in_flight))
        duties: list[Coroutine[Any, Any, None]] = [
            self._receive(socket),
            self._take_work(socket),
            self._send_heartbeats(socket),
            self._watch_confirmations(),
            self.results.send_all(socket.send),
            self.results.settle_all(),
        ]
        tasks = [asyncio.ensure_future(duty) for duty in duties]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, GivenUp):
                return end
            if isinstance(end, Exception) and not isinstance(end, ConnectionClosed):
                raise end
        return None

    async def _send_heartbeats(self, socket: ClientConnection) -> None:
        while True:
            await socket.send(protocol.HEARTBEAT)
            self._work.log_busy()
            await asyncio.sleep(self._timing.heartbeat)

    async def _watch_confirmations(self) -> None:
        while True:
            left = self._confirmed_at + self._timing.confirm - self._loop.time()
            if left <= 0:
                raise GivenUp(f"no heartbeat was confirmed for {self._timing.confirm:g} s")
            await asyncio.sleep(left)

    async def _receive(self, socket: ClientConnection) -> None:
        while True:
            text = await socket.recv()
            if isinstance(text, str):
                await self._handle(socket, protocol.parse(text))

    async def _handle(self, socket: ClientConnection, frame: protocol.Frame) -> None:
        if isinstance(frame, protocol.Confirmed):
            self._confirmed_at = self._loop.time()
        elif isinstance(frame, protocol.Ping):
            await socket.send(protocol.PONG)
        elif isinstance(frame, (protocol.Work, protocol.Cancel)):
            await self._inbox.put(frame)
        elif isinstance(frame, protocol.Stored):
            self.results.hear_stored()
        elif isinstance(frame, protocol.Refused):
            if not self.results.hear_refusal(frame.problem, frame.id):
                log.error("The platform refused a frame: %s", frame.problem)
        else:
            log.info("The platform said what this version does not know: %.200s", frame.text)

    async def _take_work(self, socket: ClientConnection) -> None:
        """Take what came for the handlers."""
        while True:
            frame = await self._inbox.get()
            if await self._loop.run_in_executor(None, self._take, frame):
                await socket.send(protocol.ack(frame.id))

    def _take(self, frame: protocol.Work | protocol.Cancel) -> bool:
        """Take a frame; return whether to acknowledge it. No frame may end the connection."""
        try:
            if isinstance(frame, protocol.Work):
                return self._work.take(frame)
            self._work.cancel(frame.id)
        except Exception:
            log.exception("The frame about %s cannot be taken", frame.id)
        return False


async def _close(socket: ClientConnection) -> None:
    try:
        await asyncio.wait_for(socket.close(), 2)
    except (asyncio.TimeoutError, OSError, WebSocketException):
        pass
    socket.transport.abort()


def _read_refusal(error: InvalidStatus) -> Ending:
    response = error.response
    try:
        reason = str(json.loads(response.body or b"{}")["message"])
    except (ValueError, KeyError, TypeError):
        reason = f"HTTP {response.status_code} {response.reason_phrase}: is it the platform?"
    retry_after = read_retry_after(response.headers.get("Retry-After"))
    return Ending(response.status_code, reason, retry_after=retry_after)
