"""The gunicorn worker: what gunicorn itself refuses is the envelope, not an HTML page."""

import json
import time
from typing import Any

from gunicorn.http.errors import (  # type: ignore[import-untyped]
    InvalidRequestLine,
    LimitRequestHeaders,
    ParseException,
)
from gunicorn.util import write_nonblock  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from shared.errors import INTERNAL_ERROR, InvalidData

# What nginx lets through, and has complete before it calls us: reading the rest takes no time.
BODY_BYTES = 16 * 2**20
DRAIN_SECONDS = 5.0
UNENCODED = "The address may hold printable ASCII only: encode the rest (curl -G --data-urlencode)."


class EnvelopeWorker(ThreadWorker):  # type: ignore[misc]
    """gthread, with other words for requests that never reach the application."""

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Serve a request, and read what the application left of its body.

        A connection closed over unread bytes is reset: nginx would lose the answer and say 502.
        """
        keep: bool = super().handle_request(req, conn)
        deadline = time.monotonic() + DRAIN_SECONDS
        drained: bool = conn.parser.finish_body(deadline=deadline, max_bytes=BODY_BYTES)
        return keep and drained

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that cannot be read, or an error outside the application."""
        status, code, message = describe(exc)
        if status == "500 Internal Server Error":
            self.log.error("Error outside the application", exc_info=exc)
        else:
            self.log.warning("Refused a request of %s: %s", (addr or ("",))[0], exc)
        body = json.dumps({"code": code, "message": message, "result": None})
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
        try:
            write_nonblock(client, f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        except OSError:
            self.log.debug("The client was gone before its refusal")


def describe(error: BaseException) -> tuple[str, str, str]:
    """Return status line, code and sentence for what gunicorn could not take."""
    if not isinstance(error, ParseException):
        return "500 Internal Server Error", INTERNAL_ERROR, "Internal error."
    if isinstance(error, LimitRequestHeaders):
        return "431 Request Header Fields Too Large", InvalidData.code, "Too many headers."
    if isinstance(error, InvalidRequestLine):
        return "400 Bad Request", InvalidData.code, UNENCODED
    return "400 Bad Request", InvalidData.code, "The request is not valid HTTP."
