"""The envelope as /openapi.json documents it; api.http.envelope writes it."""

from enum import StrEnum
from functools import cache

from marshmallow import Schema, fields

from api.http.answer_fields import AnswerSchema, Word, anything, text
from shared import errors


class SuccessCode(StrEnum):
    """The code of every success."""

    SUCCESS = errors.SUCCESS


class ErrorCode(StrEnum):
    """The codes of errors; the HTTP status says the same in HTTP's words."""

    INTERNAL_ERROR = errors.INTERNAL_ERROR
    INVALID_DATA = errors.InvalidData.code
    NOT_FOUND = errors.NotFound.code
    CONFLICT = errors.Conflict.code
    DUPLICATE = errors.Duplicate.code
    QUEUE_FULL = errors.QueueFull.code
    FORBIDDEN = errors.Forbidden.code
    TOO_MANY_REQUESTS = errors.TooManyRequests.code
    DATABASE_UNAVAILABLE = errors.DatabaseUnavailable.code


class Error(AnswerSchema):
    """Every answer that is no success."""

    code = Word(ErrorCode, example=ErrorCode.NOT_FOUND)
    message = text(
        "No module has the hash '79219dcf'.", "A sentence about what is wrong, and where."
    )
    result = anything(None, "Always null.")


class Envelope(AnswerSchema):
    """Every answer that is a success."""

    code = Word(SuccessCode, example=SuccessCode.SUCCESS)
    message = text("成功!")


@cache
def in_envelope(answer: type[Schema], *, many: bool) -> type[Schema]:
    """Return the schema of an envelope around this answer, one class for each."""
    result = fields.List(fields.Nested(answer)) if many else fields.Nested(answer)
    name = f"{answer.__name__}{'List' if many else ''}Envelope"
    return type(name, (Envelope,), {"result": result})
