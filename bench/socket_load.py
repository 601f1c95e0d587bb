"""Plays thousands of modules from one process: raw sockets and epoll, far cheaper than a server.

`Fleet` starts this file as a process of its own and speaks JSON lines with it.
"""

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from bench.frames import PING, PONG, text_frame
from shared.settings import PROJECT_DIR

CONFIRM = b"\x81\x11heartbeat confirm"
REQUEST = (
    "GET /websocket?hash={} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n"
)
CONNECT_SECONDS = 30.0
HEARTBEAT = text_frame(b"heartbeat")


class Modules:
    """The modules' sockets, all in one epoll."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}

    def connect(
        self, port: int, hashes: Sequence[str], spread_seconds: float = 0.0
    ) -> dict[str, Any]:
        """Connect all modules, at once or spread; tell how long it took and what was answered."""
        started = time.monotonic()
        opened = 0
        waiting: dict[int, tuple[socket.socket, bytes]] = {}
        answers: Counter[str] = Counter()
        while (elapsed := time.monotonic() - started) < CONNECT_SECONDS:
            share = min(1.0, elapsed / spread_seconds) if spread_seconds else 1.0
            while opened < share * len(hashes):
                self._open(port, hashes[opened], waiting)
                opened += 1
            for fd, event in self._epoll.poll(0.001 if share < 1 else 0.1):
                if fd in waiting and event & select.EPOLLIN:
                    answers[self._finish(*waiting.pop(fd))] += 1
                elif fd in waiting:
                    os.write(fd, waiting[fd][1])
                    self._epoll.modify(fd, select.EPOLLIN)
                else:
                    self._answer(fd, os.read(fd, 512))
            if opened == len(hashes) and not waiting:
                break
        answers["none"] += len(waiting)
        return {"seconds": time.monotonic() - started, "answers": +answers}

    def _open(self, port: int, module_hash: str, waiting: dict[int, Any]) -> None:
        """Begin a connection; its request waits until it stands."""
        module = socket.socket()
        module.setblocking(False)
        module.connect_ex(("127.0.0.1", port))
        waiting[module.fileno()] = module, REQUEST.format(module_hash).encode()
        self._epoll.register(module.fileno(), select.EPOLLOUT)

    def _finish(self, module: socket.socket, _request: bytes) -> str:
        """Keep a socket that was accepted; return the answer's status."""
        rest = b""
        try:
            head, _, rest = module.recv(4096).partition(b"\r\n\r\n")
            status = head[9:12].decode()
        except OSError as error:
            status = type(error).__name__
        if status == "101":
            self._sockets[module.fileno()] = module
            self._greet(module.fileno(), rest)
        else:
            self._epoll.unregister(module.fileno())
            module.close()
        return status

    def _greet(self, fd: int, rest: bytes) -> None:
        """Say what a module says first; `rest` came with the answer to its handshake."""

    def flood(self, seconds: float) -> dict[str, Any]:
        """Send a heartbeat as soon as the one before it was confirmed."""
        for fd in self._sockets:
            os.write(fd, HEARTBEAT)
        read, write, poll = os.read, os.write, self._epoll.poll
        confirmed, cpu = 0, time.process_time()
        started = time.monotonic()
        while (now := time.monotonic()) < started + seconds:
            for fd, _ in poll(0.1):
                data = read(fd, 512)
                if data == CONFIRM:
                    write(fd, HEARTBEAT)
                    confirmed += 1
                else:
                    self._answer(fd, data)
        cpu = time.process_time() - cpu
        self._listen_for(0.2)
        return {"heartbeats": confirmed, "seconds": now - started, "cpu_seconds": cpu}

    def pace(self, seconds: float, interval: float) -> dict[str, Any]:
        """Send every module's heartbeat once in an interval, evenly spread."""
        fds = list(self._sockets)
        started, sent, confirmed = time.monotonic(), 0, 0
        while (elapsed := time.monotonic() - started) < seconds:
            while sent < elapsed / interval * len(fds):
                os.write(fds[sent % len(fds)], HEARTBEAT)
                sent += 1
            confirmed += self._listen_for(0.01)
        return {"heartbeats": confirmed, "sent": sent, "lost": len(fds) - len(self._sockets)}

    def _listen_for(self, seconds: float) -> int:
        """Read what comes within this time; return how many heartbeats were confirmed."""
        confirmed, until = 0, time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            for fd, _ in self._epoll.poll(left):
                confirmed += self._answer(fd, os.read(fd, 512))
        return confirmed

    def _answer(self, fd: int, data: bytes) -> int:
        """Answer protocol pings, forget a closed socket, count the confirmations."""
        if not data:
            self._epoll.unregister(fd)
            self._sockets.pop(fd).close()
        rest = data.replace(CONFIRM, b"")
        if rest == PING:
            os.write(fd, PONG)
        return data.count(CONFIRM)

    def close(self) -> dict[str, Any]:
        """Hang up without a word."""
        for fd, module in self._sockets.items():
            self._epoll.unregister(fd)
            module.close()
        self._sockets.clear()
        return {}


class Fleet:
    """The process that plays the modules, as the bench sees it."""

    def __init__(self, program: str = "bench.socket_load") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", program],
            cwd=PROJECT_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def begin(self, action: str, **arguments: Any) -> None:
        """Have something done while the bench does something else."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([action, arguments]) + "\n")
        self._process.stdin.flush()

    def result(self) -> dict[str, Any]:
        """Wait until it is done."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that plays the modules has died")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def do(self, action: str, **arguments: Any) -> dict[str, Any]:
        """Have something done, and wait for it."""
        self.begin(action, **arguments)
        return self.result()

    def connect(self, port: int, hashes: Sequence[str]) -> float:
        """Connect modules; return the seconds it took, raise if one was refused."""
        result = self.do("connect", port=port, hashes=hashes)
        if result["answers"] != {"101": len(hashes)}:
            raise RuntimeError(f"not all modules could connect: {result['answers']}")
        return float(result["seconds"])


def obey(actions: Mapping[str, Callable[..., dict[str, Any]]]) -> None:
    """Do what the lines on standard input say."""
    for line in sys.stdin:
        action, arguments = json.loads(line)
        print(json.dumps(actions[action](**arguments)), flush=True)


def main() -> None:
    """Play modules that send heartbeats."""
    modules = Modules()
    obey(
        {
            "connect": modules.connect,
            "flood": modules.flood,
            "pace": modules.pace,
            "close": modules.close,
        }
    )


if __name__ == "__main__":
    main()
