"""A small platform that does what a test says: registration, a socket, frames, failures."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

R = TypeVar("R")
HASH = "ab" * 32
ANOTHER_PROGRAM = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nWelcome"


def eventually(condition: Callable[[], R], seconds: float = 10.0) -> R:
    """Return the condition's value as soon as it is true; fail when it never is."""
    __tracebackhide__ = True
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"did not come true within {seconds:g} s; the last answer was {value!r}")
        time.sleep(0.01)
    return value


class ScriptedPlatform:
    """Lives in a thread; what it heard is in its lists, what it answers in its switches."""

    def __init__(self) -> None:
        self.registrations: list[dict[str, Any]] = []
        self.registration_refusals: list[tuple[int, str]] = []
        self.handshake_refusals: list[tuple[int, dict[str, str]]] = []
        self.handshakes = 0
        self.hellos: list[dict[str, Any]] = []
        self.frames: list[dict[str, Any]] = []
        self.heartbeats_at: list[float] = []
        self.closings: list[int] = []
        self.confirms = True
        self.stores = True
        self.stored: list[str] = []
        self.refuses: dict[str, str] = {}  # the first result of a message, with this sentence
        self.max_bytes = 1024 * 1024
        self.module_hash = HASH
        self.is_enabled = True
        self.is_another_program = False
        self.results_at_http: dict[str, str] = {}
        self._socket: ServerConnection | None = None
        self._loop = asyncio.new_event_loop()
        self._door: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.port = self._do(self._open())

    @property
    def url(self) -> str:
        """Return the address that a module is given."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_connected(self) -> bool:
        """Return whether a module's socket is open and has said hello, or a heartbeat."""
        return self._socket is not None

    @property
    def results(self) -> list[dict[str, Any]]:
        """Return the results that came, each as often as it came."""
        return self.of_type("result")

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Return the frames of a type."""
        return [frame for frame in self.frames if frame.get("type") == kind]

    def push(self, message_id: str, message: Any = None, attempt: int = 1) -> None:
        """Send a piece of work: an execution without args, unless a message is given."""
        content = {"type": "execute", "meta": {}, "args": {}} if message is None else message
        self.send({"id": message_id, "attempt": attempt, "message": content})

    def send(self, content: Any) -> None:
        """Send a frame."""
        text = content if isinstance(content, str) else json.dumps(content)

        async def send() -> None:
            assert self._socket is not None
            await self._socket.send(text)

        eventually(lambda: self.is_connected)
        self._do(send())

    def close_socket(self, code: int, reason: str = "") -> None:
        """Close the module's socket with a code."""

        async def close() -> None:
            assert self._socket is not None
            await self._socket.close(code, reason)

        eventually(lambda: self.is_connected)
        self._do(close())

    def cut(self) -> None:
        """Have the connection vanish without a word."""

        async def cut() -> None:
            assert self._socket is not None
            self._socket.transport.abort()
            self._socket = None

        self._do(cut())

    def shut_door(self) -> None:
        """Be away: refuse every connection, and cut the open socket off."""

        async def shut() -> None:
            assert self._door is not None
            self._door.close()

        self._do(shut())
        if self._socket is not None:
            self.cut()

    def open_door(self) -> None:
        """Be back at the same address."""
        self._do(self._open_door(self.port))

    def close(self) -> None:
        """End."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _open(self) -> int:
        self._inner = await serve(
            self._talk,
            "127.0.0.1",
            0,
            process_request=self._admit,
            max_size=None,
            ping_interval=None,
            close_timeout=1,
        )
        return await self._open_door(0)

    async def _open_door(self, port: int) -> int:
        self._door = await asyncio.start_server(self._answer, "127.0.0.1", port)
        return int(self._door.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        assert self._door is not None
        self._door.close()
        self._inner.close()
        await self._inner.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=1)  # they close their sockets themselves
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer an HTTP call, or lead a handshake to the socket's server."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, path, _ = head.decode().split(" ", 2)
            if path.startswith("/websocket"):
                await self._lead(head, reader, writer)
                return
            lengths = [
                line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
            ]
            length = int(lengths[0].split(b":")[1]) if lengths else 0
            body = json.loads(await reader.readexactly(length) or b"null")
            status, result, message = self._route(method, path, body)
            is_other = self.is_another_program
            writer.write(ANOTHER_PROGRAM if is_other else _http(status, result, message))
            await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    def _route(self, method: str, path: str, body: Any) -> tuple[int, Any, str]:
        if path == "/healthz":
            return 200, {"status": "ok"}, "成功!"
        path, _, query = path.partition("?")
        if path == "/module/register":
            self.registrations.append(body or dict(parse_qsl(query)))
            if self.registration_refusals:
                status, message = self.registration_refusals.pop(0)
                return status, None, message
            return 201, {"hash": self.module_hash, "enabled": self.is_enabled}, "成功!"
        if path == "/module/send_message":
            assert self._socket is not None
            frame = {"id": "asked", "attempt": 1, "message": body["message"]}
            asyncio.ensure_future(self._socket.send(json.dumps(frame)))  # noqa: RUF006
            return 200, {"message_id": "asked", "delivery": "pushed"}, "成功!"
        if path.startswith("/result/"):
            message_id = path.rsplit("/", 1)[1]
            found = [result for result in self.results if result["id"] == message_id]
            return 200, {"status": found[0]["status"]}, "成功!"
        return 404, None, f"There is nothing at {path}."

    async def _lead(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        port = self._inner.sockets[0].getsockname()[1]
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        inner_writer.write(head)
        await asyncio.gather(_pipe(reader, inner_writer), _pipe(inner_reader, writer))

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.handshakes += 1
        if not self.handshake_refusals:
            return None
        status, headers = self.handshake_refusals.pop(0)
        envelope = {"code": "4029", "message": "Not now.", "result": None}
        response = connection.respond(HTTPStatus(status), json.dumps(envelope))
        for name, value in headers.items():
            response.headers[name] = value
        return response

    async def _talk(self, socket: ServerConnection) -> None:
        try:
            async for text in socket:
                await self._hear(socket, str(text))
        except ConnectionClosed:
            pass  # noted below, with its code
        finally:
            self.closings.append(socket.close_code or 1006)
            if self._socket is socket:
                self._socket = None

    async def _hear(self, socket: ServerConnection, text: str) -> None:
        if text == "heartbeat":
            self.heartbeats_at.append(time.monotonic())
            self._socket = self._socket or socket  # an earlier client says no hello
            if self.confirms:
                await socket.send("heartbeat confirm")
            return
        if len(text.encode()) > self.max_bytes:
            await socket.close(1009, "a message was too big")
            return
        frame = json.loads(text)
        self.frames.append(frame)
        if frame["type"] == "hello":
            self.hellos.append(frame)
            self._socket = socket
        elif frame["type"] == "bye":
            await socket.close(1000, "bye")
        elif frame["type"] == "result":
            await self._take_result(socket, frame)

    async def _take_result(self, socket: ServerConnection, frame: dict[str, Any]) -> None:
        problem = self.refuses.get(frame["id"])
        if problem is not None and frame["status"] == "success":
            error = {"status": "error", "code": "3002", "message": problem}
            await socket.send(json.dumps(error))
        elif self.stores:
            self.stored.append(frame["id"])
            await socket.send("receive result")


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


def _http(status: int, result: Any, message: str) -> bytes:
    code = "2000" if status < 300 else "3002"
    envelope = {"code": code, "message": message, "result": result}
    body = json.dumps(envelope, ensure_ascii=False).encode()
    phrase = HTTPStatus(status).phrase
    head = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
