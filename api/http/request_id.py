"""X-Request-ID: taken from the caller or made here, logged with every line, given back."""

import re
import uuid

from flask import Flask, Response, request
from structlog.contextvars import bind_contextvars

HEADER = "X-Request-ID"
_ENVIRON_KEY = "HTTP_X_REQUEST_ID"
_is_acceptable = re.compile(r"[\x20-\x7e]{1,128}").fullmatch


def track_request_ids(app: Flask) -> None:
    """Give every request an id that its log lines and its answer carry."""
    app.before_request(_accept)
    app.after_request(_echo)


def _accept() -> None:
    given = request.environ.get(_ENVIRON_KEY, "")
    request_id = given if _is_acceptable(given) else uuid.uuid4().hex
    request.environ[_ENVIRON_KEY] = request_id
    bind_contextvars(request_id=request_id)


def _echo(response: Response) -> Response:
    response.headers[HEADER] = request.environ[_ENVIRON_KEY]
    return response
