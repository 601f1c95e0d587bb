"""The modules and the senders that the bench of dispatch plays."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import orjson
import pytest

from bench.frames import CLOSE, MASK, PONG
from bench.work_load import Sender, WorkingModules

Link = tuple[WorkingModules, socket.socket, int]


@pytest.fixture
def link() -> Iterator[Link]:
    """Return a module that is connected, the platform's end of its socket, and its own descriptor."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    modules = WorkingModules()
    modules._sockets[ours.fileno()] = ours
    modules._epoll.register(ours.fileno())
    modules._greet(ours.fileno(), b"")
    yield modules, theirs, ours.fileno()
    modules.close()
    theirs.close()


def server_frame(text: bytes, first: int = 0x81) -> bytes:
    return bytes([first, len(text)]) + text


def work(message_id: str, attempt: int = 1) -> bytes:
    text = {"id": message_id, "attempt": attempt, "message": "x"}
    return server_frame(orjson.dumps(text))


def unmasked(data: bytes) -> list[dict[str, object]]:
    """Return what a client's frames say."""
    said = []
    while data:
        start = 4 if data[1] & 0x7F == 126 else 2
        size = int.from_bytes(data[2:4]) if start == 4 else data[1] & 0x7F
        masked = data[start + 4 : start + 4 + size]
        said.append(orjson.loads(bytes(b ^ MASK[i % 4] for i, b in enumerate(masked))))
        data = data[start + 4 + size :]
    return said


def test_a_module_acknowledges_and_answers_in_one_write(link: Link) -> None:
    modules, platform, fd = link
    platform.sendall(work("m1"))
    modules.read(fd)
    ack, result = unmasked(platform.recv(4096))
    assert ack == {"type": "ack", "id": "m1"}
    assert (result["type"], result["status"], result["id"]) == ("result", "success", "m1")
    assert [*modules.delivered_at] == ["m1"]


def test_a_result_counts_once_it_is_confirmed(link: Link) -> None:
    modules, platform, fd = link
    platform.sendall(work("m1") + server_frame(b"receive result"))
    modules.read(fd)
    assert modules.await_work(1)["finished"] == 1
    assert modules.forget() == {}
    assert modules.await_work(0)["delivered_at"] == []


def test_a_second_push_is_counted_and_keeps_the_first_ones_time(link: Link) -> None:
    modules, platform, fd = link
    platform.sendall(work("m1"))
    modules.read(fd)
    first = modules.delivered_at["m1"]
    platform.sendall(work("m1", attempt=2))
    modules.read(fd)
    assert (modules.delivered_again, modules.delivered_at["m1"]) == (1, first)


def test_protocol_pings_are_answered(link: Link) -> None:
    modules, platform, fd = link
    platform.sendall(server_frame(b"", first=0x89))
    modules.read(fd)
    assert platform.recv(4096) == PONG


@pytest.mark.parametrize("last", [server_frame(b"\x03\xf0", first=0x80 | CLOSE), b""])
def test_a_socket_that_the_platform_closes_ends_the_measurement(link: Link, last: bytes) -> None:
    modules, platform, fd = link
    platform.sendall(last)
    platform.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionError):
        modules.read(fd)


class Acceptor(BaseHTTPRequestHandler):
    """Accepts or refuses what it is sent."""

    protocol_version = "HTTP/1.1"

    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = orjson.dumps({"code": "2000", "result": {"message_id": "m1"}})
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def answer_once(status: int) -> str:
    with HTTPServer(("127.0.0.1", 0), Acceptor) as server:
        Acceptor.status = status
        threading.Thread(target=server.handle_request).start()
        sender = Sender(server.server_port)
        sender.send("hash")
        with sender.socket:
            while (message_id := sender.receive()) is None:
                pass
        return message_id


def test_a_sender_learns_its_messages_id() -> None:
    assert answer_once(200) == "m1"


def test_a_message_that_is_refused_ends_the_measurement() -> None:
    with pytest.raises(RuntimeError, match="refused"):
        answer_once(409)
