"""websockets' protocol in the platform's words: refusals are envelopes, failures are closings."""

import logging
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import orjson
from websockets.datastructures import Headers
from websockets.frames import Frame
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from shared.domain.closing import INTERNAL_ERROR, INVALID_TEXT, MESSAGE_TOO_BIG, PROTOCOL_ERROR
from shared.errors import SUCCESS, InvalidData, PlatformError

CLOSINGS = {c.code: c for c in (PROTOCOL_ERROR, INVALID_TEXT, MESSAGE_TOO_BIG, INTERNAL_ERROR)}

log = logging.getLogger("websockets.server")


class SocketProtocol(ServerProtocol):
    """One socket's handshake and frames, as bytes in and bytes out."""

    def __init__(self, max_message_bytes: int) -> None:
        super().__init__(max_size=max_message_bytes, logger=log)

    def reject(self, status: HTTPStatus | int, text: str) -> Response:
        """Refuse a request that websockets cannot take, with the envelope."""
        return respond(status, None, code=InvalidData.code, message=text.strip())

    def fail(self, code: int, reason: str = "") -> None:
        """Close over bytes that are no frames, with the catalogue's text."""
        closing = CLOSINGS.get(code)
        super().fail(code, closing.text if closing else reason)

    def send_frame(self, frame: Frame) -> None:
        """Say nothing behind the close frame: pongs would fill the outbox of a slow reader."""
        if self.state is OPEN:
            super().send_frame(frame)

    def forget(self) -> None:
        """Let go of what refers back to here: a closed socket must not wait to be collected."""
        self.parser.close()
        self.parser_exc = self.handshake_exc = None


def refuse(error: PlatformError) -> Response:
    """Return an error as an HTTP answer."""
    response = respond(error.status, None, code=error.code, message=error.message)
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def respond(
    status: HTTPStatus | int, result: Any, *, code: str = SUCCESS, message: str = "成功!"
) -> Response:
    """Return an HTTP answer with the envelope."""
    envelope = {"code": code, "message": message, "result": result}
    body = orjson.dumps(envelope, option=orjson.OPT_APPEND_NEWLINE)
    headers = Headers(
        {
            "Date": formatdate(usegmt=True),
            "Connection": "close",
            "Content-Length": str(len(body)),
            "Content-Type": "application/json; charset=utf-8",
        }
    )
    return Response(int(status), HTTPStatus(status).phrase, headers, body)
