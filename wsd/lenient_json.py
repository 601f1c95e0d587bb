"""JSON as Python programs write it: NaN and Infinity are taken for null, and that is said."""

import json
from typing import Any

import orjson

INT64_DIGITS = 19
NANS_BECAME_NULL = "NaN and Infinity are no JSON: each became null."


class NotJson(ValueError):
    """What cannot be read, or written, as JSON."""


def find_json(data: bytes) -> tuple[Any, bool]:
    """Return the value that a text says, and whether NaN or Infinity became null in it."""
    try:
        return orjson.loads(data), False
    except orjson.JSONDecodeError:
        return _find_with_nans(data), True


def _find_with_nans(data: bytes) -> Any:
    met: list[str] = []

    def take_for_null(name: str) -> None:
        met.append(name)

    if b"NaN" not in data and b"Infinity" not in data:
        raise NotJson("is not JSON")
    try:
        value = json.loads(data, parse_constant=take_for_null, parse_int=_read_int)
        write_json(value)  # refuses the same texts as the strict reader
    except (ValueError, RecursionError):
        raise NotJson("is not JSON") from None
    if not met:  # the words stood inside a text: something else is wrong
        raise NotJson("is not JSON")
    return value


def _read_int(digits: str) -> int | float:
    return int(digits) if len(digits) < INT64_DIGITS else float(digits)


def write_json(value: Any) -> str:
    """Return a value that was read as compact JSON; raises NotJson for what no reader would take."""
    try:
        return orjson.dumps(value).decode()
    except (TypeError, orjson.JSONEncodeError):
        raise NotJson("is nested too deep, or has a text that is not UTF-8") from None
