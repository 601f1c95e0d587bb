"""The errors and headers that /openapi.json names once and all calls refer to."""

from dataclasses import dataclass
from typing import Any

import apispec

from api.http.envelope_schemas import Error, ErrorCode


@dataclass(frozen=True, kw_only=True)
class NamedError:
    """An error status, its name in the document, and an example of its sentence."""

    name: str
    about: str
    code: ErrorCode
    sentence: str

    def describe(self, *headers: str) -> dict[str, Any]:
        """Return its response object."""
        example = {"code": self.code, "message": self.sentence, "result": None}
        content = {"schema": Error, "example": example}
        return {
            "description": f"{self.about} (code {self.code})",
            "content": {"application/json": content},
            **describe_headers(*headers),
        }


_BACK = "The database is not available."
ERRORS = {
    400: NamedError(
        name="BadRequest",
        about="A word of the request is wrong; the sentence names it",
        code=ErrorCode.INVALID_DATA,
        sentence="limit must be from 1 to 1000.",
    ),
    404: NamedError(
        name="NotFound",
        about="It is unknown, or not online",
        code=ErrorCode.NOT_FOUND,
        sentence="No module has the name, the module_id or the hash 'load'.",
    ),
    409: NamedError(
        name="Conflict",
        about="It is not in a state that allows this, may mean several, or (3005) exists already",
        code=ErrorCode.CONFLICT,
        sentence="The module load is disabled.",
    ),
    413: NamedError(
        name="PayloadTooLarge",
        about="The body is too large",
        code=ErrorCode.INVALID_DATA,
        sentence="The body is too large.",
    ),
    415: NamedError(
        name="UnsupportedMediaType",
        about="The body is neither JSON nor a form",
        code=ErrorCode.INVALID_DATA,
        sentence="The body must be JSON (Content-Type: application/json) or a form.",
    ),
    429: NamedError(
        name="TooManyRequests",
        about="Come back later; a module's full queue is 3006",
        code=ErrorCode.TOO_MANY_REQUESTS,
        sentence="Too many new modules from this address: try again in an hour.",
    ),
    500: NamedError(
        name="InternalServerError",
        about="An error inside the platform",
        code=ErrorCode.INTERNAL_ERROR,
        sentence="internal error",
    ),
    503: NamedError(
        name="ServiceUnavailable",
        about="The database, or the service, is not available: come back",
        code=ErrorCode.DATABASE_UNAVAILABLE,
        sentence=_BACK,
    ),
}
OTHER = NamedError(
    name="OtherError",
    about="What nginx answers itself: 405, 408, 414, 431, 502, 504",
    code=ErrorCode.INVALID_DATA,
    sentence="The address is longer than 256 KB.",
)
# Any call may end so.
OF_ALL_CALLS = (400, 500, 503)
OF_CALLS_WITH_A_BODY = (413, 415)
_WITH_RETRY_AFTER = (429, 503)

HEADERS = {
    "ETag": (
        {"type": "string", "example": 'W/"5c3b2c9e0d"'},
        "A weak tag of all that the answer says. Sent back in `If-None-Match`, it gets 304 as long "
        "as nothing of it changed.",
    ),
    "Link": (
        {"type": "string", "example": '</module/list?limit=100&after=100>; rel="next"'},
        "Names the next page (`rel=next`); not there on the last one.",
    ),
    "Retry-After": (
        {"type": "integer", "example": 2},
        "After so many seconds it is worth another try.",
    ),
    "X-Request-ID": (
        {"type": "string"},
        "The request's id, which log lines have, too: the caller's, or one that was made here.",
    ),
}


IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "description": "The ETag of an answer that the caller keeps: 304 while it still stands.",
    "schema": {"type": "string"},
}


def register_responses(spec: apispec.APISpec) -> None:
    """Write the named errors and headers into a document."""
    for name, (schema, about) in HEADERS.items():
        spec.components.header(name, {"schema": schema, "description": about})
    for status, error in ERRORS.items():
        headers = ("Retry-After",) if status in _WITH_RETRY_AFTER else ()
        spec.components.response(error.name, error.describe("X-Request-ID", *headers))
    spec.components.response(OTHER.name, OTHER.describe())


def describe_headers(*names: str) -> dict[str, Any]:
    """Return the headers of a response object."""
    refs = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {"headers": refs} if refs else {}
