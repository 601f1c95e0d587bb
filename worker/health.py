"""The worker's own page for probes: /healthz, on loopback."""

import json
import logging
import threading
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from worker.runner import Loop

READ_SECONDS = 5.0

log = logging.getLogger(__name__)


class HealthPage(ThreadingHTTPServer):
    """Answers 200 while all loops work, else 503 with the names of those that do not."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, loops: Sequence[Loop]) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.loops = loops

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note a prober that left before its answer, or sent no HTTP: its fault, and no news."""
        log.debug("a probe was not answered")

    def serve_in_background(self) -> None:
        """Answer from now on, in a thread."""
        threading.Thread(target=self.serve_forever, name="health", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: HealthPage
    timeout = READ_SECONDS

    def do_GET(self) -> None:
        if self.path != "/healthz":
            return self._answer(404, "3003", "There is nothing here.")
        hung = [loop.name for loop in self.server.loops if not loop.is_working()]
        if hung:
            return self._answer(503, "3001", f"These loops hang: {', '.join(hung)}.")
        return self._answer(200, "2000", "成功!")

    def _answer(self, status: int, code: str, message: str) -> None:
        envelope = json.dumps({"code": code, "message": message, "result": None})
        body = f"{envelope}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no GET, or no HTTP at all, with the envelope instead of a page."""
        self.close_connection = True
        self._answer(code, "3002", f"{message or HTTPStatus(code).phrase}.")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the watchdog asks every five seconds."""
