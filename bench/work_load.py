"""Plays modules that work and senders that give them work: one process, one loop, one clock.

Every module acknowledges at once and has its result ready at once, both in one write.
"""

import os
import select
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import orjson

from bench.frames import CLOSE, PING, PONG, TEXT, take_frames, text_frame
from bench.socket_load import Modules, obey

SENDERS = 32
READ_BYTES = 2**16
PATIENCE_SECONDS = 30.0
MESSAGE = orjson.dumps({"type": "multiple_test", "data": [1, 2, 3]}).decode()
CONTENT = {"values": [round(41.7 + hour, 1) for hour in range(24)]}
RESULT = {"type": "result", "status": "success", "result": CONTENT}


class WorkingModules(Modules):
    """Modules that acknowledge what they are given, and answer it."""

    def __init__(self) -> None:
        super().__init__()
        self._hello = b""
        self._buffers: dict[int, bytearray] = {}
        self.forget()

    def forget(self) -> dict[str, Any]:
        """Begin to count anew."""
        self.delivered_at: dict[str, float] = {}
        self.delivered_again = 0
        self.finished = 0
        return {}

    def attach(self, port: int, hashes: Sequence[str], in_flight: int = 1) -> dict[str, Any]:
        """Connect modules that say how many pieces of work they take at once."""
        hello = {"type": "hello", "sdk": "bench/1", "acks": True, "in_flight": in_flight}
        self._hello = text_frame(orjson.dumps(hello))
        return self.connect(port, hashes)

    def _greet(self, fd: int, rest: bytes) -> None:
        self._buffers[fd] = bytearray()
        os.write(fd, self._hello)
        if rest:
            self._answer(fd, rest)

    def read(self, fd: int) -> None:
        """Take what came on one socket."""
        self._answer(fd, os.read(fd, READ_BYTES))

    def _answer(self, fd: int, data: bytes) -> int:
        """Do the work that came, count the confirmed results, answer protocol pings."""
        if not data:
            raise ConnectionError("the platform hung up")
        if data == PING:
            os.write(fd, PONG)
            return 0
        buffer = self._buffers[fd]
        buffer += data
        replies = [self._reply(opcode, text) for opcode, text in take_frames(buffer)]
        if reply := b"".join(replies):
            os.write(fd, reply)
        return 0

    def _reply(self, opcode: int, text: bytes) -> bytes:
        if text == b"receive result":
            self.finished += 1
            return b""
        if opcode == CLOSE:
            raise ConnectionError(f"the platform closed a socket: {text!r}")
        if opcode != TEXT:
            return PONG
        frame = orjson.loads(text)
        if frame.get("type") == "ping":
            return text_frame(b'{"type":"pong"}')
        return self._work(frame["id"], frame["attempt"])

    def _work(self, message_id: str, attempt: int) -> bytes:
        self.delivered_again += attempt > 1
        self.delivered_at.setdefault(message_id, time.time())
        ack = text_frame(orjson.dumps({"type": "ack", "id": message_id}))
        return ack + text_frame(orjson.dumps({**RESULT, "id": message_id}))

    def await_work(self, count: int, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Work until so many results are confirmed; tell when each message came."""
        deadline = time.monotonic() + seconds
        while self.finished < count and time.monotonic() < deadline:
            for fd, _ in self._epoll.poll(0.1):
                self.read(fd)
        return {
            "delivered_at": list(self.delivered_at.values()),
            "delivered_again": self.delivered_again,
            "finished": self.finished,
        }

    def send(self, port: int, hashes: Sequence[str], **pace: float) -> dict[str, Any]:
        """Give the modules work over HTTP, one after another, and do it."""
        return Sending(self, port, cycle(hashes), **pace).run()


class Sender:
    """One kept-alive connection with one message on its way to the platform."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def send(self, module_hash: str) -> None:
        """Send a message to a module."""
        body = orjson.dumps({"module_hash": module_hash, "message": MESSAGE})
        head = "POST /module/send_message HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.socket.sendall(head.encode() + body)

    def receive(self) -> str | None:
        """Take what came; return the message's id when the answer is complete."""
        self._received += self.socket.recv(READ_BYTES)
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < _content_length(head):
            return None
        self._received = b""
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"a message was refused: {head!r} {body!r}")
        return str(orjson.loads(body)["result"]["message_id"])


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0])


@dataclass(kw_only=True)
class Tally:
    """How far a load had come at one moment."""

    at: float
    finished: int


@dataclass
class Sending:
    """A load: so many messages a second, or so many under way at a time."""

    modules: WorkingModules
    port: int
    targets: Iterator[str]
    seconds: float
    rate: float = 0.0
    window: float = 0
    warm_up: float = 0.0
    answered_at: dict[str, float] = field(init=False, default_factory=dict)
    given: int = field(init=False, default=0)

    def run(self) -> dict[str, Any]:
        """Send for the time that was asked for, then wait for what is under way."""
        senders = {s.socket.fileno(): s for s in (Sender(self.port) for _ in range(SENDERS))}
        for fd in senders:
            self.modules._epoll.register(fd, select.EPOLLIN)
        self.modules.forget()
        self._idle = list(senders.values())
        started = time.monotonic()
        first = self._run_until(started + self.warm_up, started, senders)
        last = self._run_until(started + self.warm_up + self.seconds, started, senders)
        self._drain(senders)
        for fd, sender in senders.items():
            self.modules._epoll.unregister(fd)
            sender.socket.close()
        return self._report(first, last)

    def _run_until(self, end: float, started: float, senders: dict[int, Sender]) -> Tally:
        while (now := time.monotonic()) < end:
            while self._idle and self._is_due(now - started):
                self._idle.pop().send(next(self.targets))
                self.given += 1
            self._listen(senders)
        return Tally(at=now, finished=self.modules.finished)

    def _is_due(self, elapsed: float) -> bool:
        if self.window:
            return self.given - self.modules.finished < self.window
        return self.given < elapsed * self.rate

    def _listen(self, senders: dict[int, Sender]) -> None:
        for fd, _ in self.modules._epoll.poll(0.001):
            sender = senders.get(fd)
            if sender is None:
                self.modules.read(fd)
            elif message_id := sender.receive():
                self.answered_at[message_id] = time.time()
                self._idle.append(sender)

    def _drain(self, senders: dict[int, Sender]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.modules.finished < self.given or len(self._idle) < len(senders):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.modules.finished:,} of {self.given:,} were finished")
            self._listen(senders)

    def _report(self, first: Tally, last: Tally) -> dict[str, Any]:
        delivered = self.modules.delivered_at
        return {
            "given": self.given,
            "delivered_again": self.modules.delivered_again,
            "rate": (last.finished - first.finished) / (last.at - first.at),
            "waits": [max(0.0, delivered[i] - at) for i, at in self.answered_at.items()],
        }


def main() -> None:
    """Play modules that work."""
    modules = WorkingModules()
    obey(
        {
            "attach": modules.attach,
            "forget": modules.forget,
            "await_work": modules.await_work,
            "send": modules.send,
            "close": modules.close,
        }
    )


if __name__ == "__main__":
    main()
