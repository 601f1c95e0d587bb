"""A load client that costs little: raw sockets kept alive, one process, one loop."""

import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

RECEIVE_BYTES = 2**20
PATIENCE_SECONDS = 10.0


@dataclass(kw_only=True)
class Load:
    """What one run came to."""

    answers: int = 0
    failures: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Return the answers per second."""
        return self.answers / self.seconds

    @property
    def median_seconds(self) -> float:
        """Return the median time from a request to the last byte of its answer."""
        return sorted(self.latencies)[len(self.latencies) // 2]


class _Connection:
    """One keep-alive connection with one request in flight."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = b""
        self._missing = 0
        self.is_success = False
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        """Send a request."""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self, buffer: bytearray) -> bool:
        """Take what came; True when the answer is complete."""
        count = self.socket.recv_into(buffer)
        if not count:
            raise ConnectionError("the server closed a kept-alive connection")
        if self._missing:
            self._missing -= count
            return self._missing == 0
        self._head += buffer[:count]
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return False
        self.is_success = head.startswith(b"HTTP/1.1 2")
        self._missing = _content_length(head) - len(body)
        self._head = b""
        return self._missing == 0


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0])


def run_load(port: int, requests: Iterator[bytes], connections: int, seconds: float) -> Load:
    """Keep every connection busy until the requests or the seconds run out."""
    load, buffer = Load(), bytearray(RECEIVE_BYTES)
    selector = selectors.EpollSelector()
    started = time.perf_counter()
    busy = 0
    for _ in range(connections):
        connection = _Connection(port)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        busy += _send_next(connection, requests)
    while busy:
        for key, _ in selector.select(PATIENCE_SECONDS):
            connection = key.data
            if connection.receive(buffer):
                _count(load, connection)
                busy -= 1
                if time.perf_counter() - started < seconds:
                    busy += _send_next(connection, requests)
    load.seconds = time.perf_counter() - started
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    selector.close()
    return load


def _send_next(connection: _Connection, requests: Iterator[bytes]) -> int:
    request = next(requests, None)
    if request is None:
        return 0
    connection.send(request)
    return 1


def _count(load: Load, connection: _Connection) -> None:
    load.latencies.append(time.perf_counter() - connection.sent_at)
    load.answers += connection.is_success
    load.failures += not connection.is_success
