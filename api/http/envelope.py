"""The one shape of every answer: {"code", "message", "result"}, written nowhere else."""

import logging
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed, SecurityError

from shared.errors import (
    INTERNAL_ERROR,
    SUCCESS,
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    InvalidData,
    NotFound,
    PlatformError,
    TooManyRequests,
)
from shared.store.errors import is_away

log = logging.getLogger(__name__)

SUCCESS_MESSAGE = "成功!"
JSON = "application/json"

_CODES = {401: "4001"} | {
    error.status: error.code
    for error in (Forbidden, NotFound, Conflict, TooManyRequests, DatabaseUnavailable)
}
_SENTENCES = {
    400: "The request is not valid.",
    404: "There is nothing at this address.",
    413: "The body is too large.",
    414: "The address is too long.",
    415: "The body must be JSON (Content-Type: application/json) or a form.",
    431: "The headers are too large.",
}


def encode(result: Any) -> bytes:
    """Return the bytes of a successful answer."""
    return _encode(SUCCESS, SUCCESS_MESSAGE, result)


def frame_list() -> tuple[bytes, bytes]:
    """Return what stands before and behind the items of a list that is written piece by piece."""
    head, _, tail = encode([]).partition(b"]")
    return head, b"]" + tail


def ok(result: Any, status: int = 200) -> Response:
    """Answer successfully."""
    return ok_encoded(encode(result), status)


def ok_encoded(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with bytes that `encode` made before."""
    return Response(body, status, headers, content_type=JSON)


def register_error_handlers(app: Flask) -> None:
    """Turn every error into the envelope, unknown routes and crashes included."""
    app.register_error_handler(PlatformError, _answer_platform_error)
    app.register_error_handler(HTTPException, _answer_http_exception)
    app.register_error_handler(Exception, _answer_crash)


def _answer_platform_error(error: PlatformError) -> Response:
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    return _fail(error.status, error.code, error.message, headers)


def _answer_http_exception(error: HTTPException) -> Response:
    status = error.code or 500
    default = INTERNAL_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else InvalidData.code
    sentence = _SENTENCES.get(status) or f"{HTTPStatus(status).phrase}."
    headers = {}
    if isinstance(error, SecurityError):
        sentence = "The Host header names a host that ALLOWED_HOSTS does not name."
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
        sentence = f"The method is not allowed here; these are: {headers['Allow']}."
    return _fail(status, _CODES.get(status, default), sentence, headers)


def _answer_crash(error: Exception) -> Response:
    if is_away(error):
        return _answer_platform_error(DatabaseUnavailable())
    log.error("a request failed", exc_info=error)
    return _fail(500, INTERNAL_ERROR, "internal error", {})


def _fail(status: int, code: str, message: str, headers: dict[str, str]) -> Response:
    return Response(_encode(code, message, None), status, headers, content_type=JSON)


def _encode(code: str, message: str, result: Any) -> bytes:
    envelope = {"code": code, "message": message, "result": result}
    return orjson.dumps(envelope, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)
