"""The real nginx on free ports, between the test and upstreams that say what reached them."""

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy import process_environment
from shared.settings import Settings
from tests.support.eventually import eventually
from tests.support.ports import free_port, free_ports_in_a_row

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


class Upstream:
    """An HTTP server that answers with what it was asked, and can be stopped and started."""

    def __init__(self, port: int, name: str) -> None:
        self.port = port
        self.name = name
        self.server: ThreadingHTTPServer | None = None
        self.is_cut_off = False  # from its database: it says 503 to everything

    def start(self) -> None:
        """Listen, on the same port every time."""
        handler = type("Handler", (EchoHandler,), {"upstream": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Close the socket: from now on connections are refused."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


class EchoHandler(BaseHTTPRequestHandler):
    """200 with the request's head as JSON; a few paths do what a real upstream would."""

    protocol_version = "HTTP/1.1"
    upstream: Upstream

    def do_GET(self) -> None:
        """Answer by the path."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.close_connection = True
        if self.upstream.is_cut_off:
            words = {"code": "5003", "message": f"{self.upstream.name} is cut off", "result": None}
            return self._answer(503, words, **{"Retry-After": "7"})
        if self.headers.get("Upgrade"):
            return self._switch_protocols()
        if self.path == "/not-modified":
            self.send_response(304)
            self.send_header("ETag", 'W/"1"')
            self.end_headers()
            return None
        if "refuse" in self.path:
            return self._answer(404, {"code": "3003", "message": "unknown", "result": None})
        seen = {"path": self.path, "upstream": self.upstream.name}
        return self._answer(200, seen | {"headers": dict(self.headers.items())})

    do_POST = do_PUT = do_GET  # noqa: N815

    def _answer(self, status: int, value: object, **headers: str) -> None:
        body = f"{json.dumps(value)}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def _switch_protocols(self) -> None:
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.end_headers()
        while data := self.connection.recv(100):
            self.connection.sendall(self.upstream.name.encode() + b":" + data)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@dataclass
class Answer:
    """What came back, taken apart."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        """Return the body as JSON."""
        value: dict[str, object] = json.loads(self.body)
        return value

    @property
    def envelope(self) -> tuple[int, str]:
        """Return status and code, if the whole answer is the envelope."""
        assert self.headers["content-type"] == "application/json"
        assert set(self.json) == {"code", "message", "result"}
        assert self.body.endswith(b"}\n")
        return self.status, str(self.json["code"])


@dataclass
class Nginx:
    """A running nginx with its upstreams."""

    settings: Settings
    directory: Path
    api: Upstream
    wsd: list[Upstream]
    process: subprocess.Popen[bytes] | None = None
    logs: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Start nginx as supervisord does, and wait until it listens."""
        prefix = self.directory / "run" / "nginx"
        prefix.mkdir(parents=True)
        (self.directory / "logs").mkdir()
        files = process_environment.open_files(200, 1024)
        (prefix / "nginx.conf").write_text(process_environment.nginx_conf(self.settings, files))
        # The workers of a root's nginx could not reach pytest's directories, which are 0700.
        command = [NGINX, "-p", f"{prefix}/", "-c", "nginx.conf", "-e", "stderr"]
        command += ["-g", "daemon off; master_process off;"]
        with (self.directory / "logs" / "nginx-error.log").open("ab") as errors:
            self.process = subprocess.Popen(command, stdout=errors, stderr=errors)
        eventually(lambda: self._listens() or self.process.poll() is not None)
        assert self._listens(), self.errors()

    def _listens(self) -> bool:
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End nginx, which flushes its log."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(5)

    def connect(self) -> socket.socket:
        """Open a connection to it."""
        return socket.create_connection(("127.0.0.1", self.settings.server_port), timeout=5)

    def send(self, request: bytes) -> Answer:
        """Send these bytes, read until it hangs up."""
        with self.connect() as connection:
            sending = threading.Thread(target=_send_all, args=(connection, request))
            sending.start()
            received = b""
            try:
                while data := connection.recv(65536):
                    received += data
            except ConnectionResetError:
                pass  # it does not read the rest of what it has refused
            sending.join()
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        return Answer(int(first.split()[1]), headers, body)

    def get(self, path: str, *lines: str, method: str = "GET", body: bytes = b"") -> Answer:
        """Send a plain request with these further header lines."""
        head = [f"{method} {path} HTTP/1.1", "Host: platform.test", "Connection: close", *lines]
        if body:
            head.append(f"Content-Length: {len(body)}")
        return self.send("\r\n".join([*head, "", ""]).encode("latin-1") + body)

    def errors(self) -> str:
        """Return what it wrote to its error log."""
        return (self.directory / "logs" / "nginx-error.log").read_text()

    def access_lines(self) -> list[str]:
        """Return its access log; complete after `stop`."""
        return (self.directory / "logs" / "nginx-access.log").read_text().splitlines()


def _send_all(connection: socket.socket, request: bytes) -> None:
    try:
        connection.sendall(request)
    except OSError:
        pass  # refused before it was read


@pytest.fixture
def start_nginx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Nginx]]:
    """Start an nginx with an api and two wsd behind it; all end with the test."""
    started: list[Nginx] = []
    monkeypatch.setenv("DEBUG", "True")

    def start(**changes: int) -> Nginx:
        defaults = Settings.from_env(env_file=tmp_path / "no.env")
        first = free_ports_in_a_row(2)
        ports = {"server_port": free_port(), "api_port": free_port(), "wsd_port": first}
        settings = replace(defaults, **ports | {"wsd_processes": 2} | changes)
        wsd = [Upstream(first, "wsd_0"), Upstream(first + 1, "wsd_1")]
        nginx = Nginx(settings, tmp_path, Upstream(settings.api_port, "api"), wsd)
        started.append(nginx)
        for upstream in (nginx.api, *wsd):
            upstream.start()
        nginx.start()
        return nginx

    yield start
    for nginx in started:
        nginx.stop()
        for upstream in (nginx.api, *nginx.wsd):
            upstream.stop()


@pytest.fixture
def nginx(start_nginx: Callable[..., Nginx]) -> Nginx:
    """One nginx with the default limits."""
    return start_nginx()
