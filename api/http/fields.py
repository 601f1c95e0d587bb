"""Kinds of request fields: text, numbers, moments, JSON; each checked as the domain wants it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from marshmallow import Schema, ValidationError, fields

from shared.domain.json_document import (
    MAX_BYTES,
    Lost,
    NotJson,
    find_json_problem,
    read_json,
    text_problem,
)
from shared.domain.module import normalise

_find_control_character = re.compile(r"[\x00-\x1f\x7f-\x9f]").search
_is_number = re.compile(r"-?[0-9]{1,18}").fullmatch

REQUIRED: dict[str, Any] = {"required": "is required", "null": "is required"}
UNKNOWN = "is not known here"


class RequestSchema(Schema):
    """What every request schema shares: the sentence about a word that it does not know."""

    error_messages = {"unknown": UNKNOWN}  # noqa: RUF012


class Text(fields.Field[str]):
    """Text as it was sent, of one line unless told otherwise; or in the form that names are kept in."""

    def __init__(
        self,
        max_length: int,
        *,
        is_one_line: bool = True,
        may_be_empty: bool = True,
        is_normalised: bool = False,
        **options: Any,
    ) -> None:
        options.setdefault("metadata", {})
        options["metadata"] |= {"type": "string", "maxLength": max_length}
        super().__init__(error_messages=REQUIRED, **options)
        self.max_length = max_length
        self.is_one_line = is_one_line
        self.may_be_empty = may_be_empty
        self.is_normalised = is_normalised

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        problem = text_problem(value)
        if problem:
            raise ValidationError(problem)
        text = normalise(value) if self.is_normalised else value
        if not text.strip() and not self.may_be_empty:
            raise ValidationError("must not be empty")
        if len(text) > self.max_length:
            raise ValidationError(f"must not be longer than {self.max_length} characters")
        if self.is_one_line and _find_control_character(text):
            raise ValidationError("must not contain control characters")
        return text


class HashText(Text):
    """A module's hash, in any case."""

    def __init__(self) -> None:
        super().__init__(64, is_normalised=True, metadata={"description": "A hash of 64 digits."})

    def _deserialize(self, *args: Any, **options: Any) -> str:
        return super()._deserialize(*args, **options).lower()


class WholeNumber(fields.Field[int]):
    """A whole number, or its digits as text (queries and forms know nothing else)."""

    def __init__(self, minimum: int, maximum: int, **options: Any) -> None:
        options.setdefault("metadata", {})
        options["metadata"] |= {"type": "integer", "minimum": minimum, "maximum": maximum}
        super().__init__(error_messages=REQUIRED, **options)
        self.minimum = minimum
        self.maximum = maximum

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> int:
        if isinstance(value, str) and _is_number(value):
            value = int(value)
        if isinstance(value, Lost):
            raise ValidationError(value.problem)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValidationError("must be a whole number")
        if not self.minimum <= value <= self.maximum:
            raise ValidationError(f"must be from {self.minimum} to {self.maximum}")
        return value


@dataclass(frozen=True)
class Written:
    """A value of a JSON body, as the text that it was written in."""

    text: str


class JsonText(fields.Field[str]):
    """Any JSON, as it was written; what a form says is a string."""

    def __init__(self, description: str, example: Any, **options: Any) -> None:
        metadata = {"description": description, "example": example}
        super().__init__(error_messages=REQUIRED, metadata=metadata, **options)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> str:
        if isinstance(value, Written):
            return value.text
        if not isinstance(value, str) or not value:
            raise ValidationError(REQUIRED["required"])
        return orjson.dumps(value).decode()


class Moment(fields.Field[datetime]):
    """A moment: an ISO 8601 time with a zone."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("metadata", {})
        options["metadata"] |= {"type": "string", "format": "date-time"}
        super().__init__(error_messages=REQUIRED, **options)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> datetime:
        try:
            # The + of a zone, unquoted in a query, arrives as a space.
            moment = datetime.fromisoformat(value.strip().replace(" ", "+"))
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        except (AttributeError, ValueError, OverflowError):
            pass
        raise ValidationError("must be a time with a zone, such as 2026-11-21T10:00:00+08:00")


_OBJECT_ARRAY_OR_NULL: list[dict[str, Any]] = [
    {"type": "object", "additionalProperties": True},
    {"type": "array", "items": {}},
    {"type": "null"},
]


class JsonValue(fields.Field[Any]):
    """A JSON object or array that the database can keep, or its text."""

    def __init__(
        self, *, is_text: bool, description: str, example: Any = None, **options: Any
    ) -> None:
        kind: dict[str, Any] = {"anyOf": _OBJECT_ARRAY_OR_NULL}
        metadata = {"type": "string"} if is_text else kind
        metadata["description"] = description
        if example is not None:
            metadata["example"] = orjson.dumps(example).decode() if is_text else example
        super().__init__(allow_none=True, metadata=metadata, **options)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> Any:
        if isinstance(value, str):
            value = _read_json_text(value)
        if value is None:
            return None
        if not isinstance(value, dict | list | Lost):
            raise ValidationError("must be a JSON object or array")
        problem = find_json_problem(value)
        if problem:
            raise ValidationError(problem)
        if len(orjson.dumps(value)) > MAX_BYTES:
            raise ValidationError(f"is larger than {MAX_BYTES // 1024} KiB")
        return value


def _read_json_text(text: str) -> Any:
    try:
        return read_json(text)
    except NotJson as error:
        raise ValidationError(str(error)) from None
