"""Free-form JSON that a module registers with: read without loss, and what of it can be kept."""

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, NoReturn

MAX_BYTES = 64 * 1024
MAX_DEPTH = 64
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
_INT64_DIGITS = 20
# So many digits come back from a double whatever they are.
_ALWAYS_EXACT = 15
# The last digit of a double stands at most 1074 places behind the point.
_EXACT = Context(prec=1100, traps=[Inexact, InvalidOperation])
_SHOWN = 40

_match_space = re.compile(r"[ \t\n\r]*").match
_TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep"
_TOO_LARGE = "has an integer that does not fit into 64 bits"


class NotJson(ValueError):
    """A text that is no JSON; what it says is the rest of a sentence: "is not JSON: …"."""


@dataclass(frozen=True)
class Lost:
    """Stands in read JSON where its value would differ from what was written: the problem."""

    problem: str


def read_json(text: str | bytes) -> Any:
    """Read JSON without losing a digit or a key; raises NotJson.

    What Python or the database would change stands in the value as Lost, so that the sentence that
    refuses it can name the field. (orjson rounds large numbers and drops repeated keys in silence.)
    """
    return _decode(text, _decoder)


def _decode(text: str | bytes, decoder: json.JSONDecoder) -> Any:
    try:
        return decoder.decode(text if isinstance(text, str) else text.decode())
    except UnicodeDecodeError:
        raise NotJson("is not JSON: it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"is not JSON: {error}") from None
    except RecursionError:
        raise NotJson(_TOO_DEEP) from None


def cut_object(text: str | bytes) -> dict[str, str]:
    """Return {key: the text of its value} of an object that `read_json` could read.

    For what is handed on as it was written: no digit, key or order in it is lost.
    """
    text = text if isinstance(text, str) else text.decode()
    parts: dict[str, str] = {}
    place = _behind_space(text, text.index("{") + 1)
    while text[place] != "}":
        key, place = _decoder.raw_decode(text, place)
        start = _behind_space(text, _behind_space(text, place) + 1)
        _, end = _decoder.raw_decode(text, start)
        parts[key] = text[start:end]
        place = _behind_space(text, end)
        if text[place] == ",":
            place = _behind_space(text, place + 1)
    return parts


def _behind_space(text: str, place: int) -> int:
    match = _match_space(text, place)
    return match.end() if match else place


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Lost:
    document = dict(pairs)
    if len(document) == len(pairs):
        return document
    ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
    return Lost(f"has the key {twice[:_SHOWN]!r} more than once")


def _read_int(digits: str) -> int | Lost:
    return int(digits) if len(digits) <= _INT64_DIGITS else Lost(_TOO_LARGE)


def _read_float(text: str) -> float | Lost:
    """Return the double that a number is, to as many digits as were written.

    So 0.1, 0.10000000000000001 and all 55 digits of that double are kept; 1e-400 is not, nor is a
    number with more digits than a double can tell apart.
    """
    value = float(text)
    is_plain = len(text) <= _ALWAYS_EXACT and 1e-300 < abs(value) < 1e300
    if is_plain or repr(value) == text or _is_within_last_digit(value, text):
        return value
    return Lost(f"has the number {text[:_SHOWN]}, which no 64-bit float can hold")


def _is_within_last_digit(value: float, text: str) -> bool:
    """Return whether the digits differ from this value by at most half of their last one."""
    try:
        written = _EXACT.normalize(Decimal(text))
        half = Decimal((0, (5,), int(written.as_tuple().exponent) - 1))
        return _EXACT.abs(_EXACT.subtract(written, Decimal(value))) <= half
    except ArithmeticError:  # too many digits, infinite, or an exponent beyond all reason
        return False


def _check_number(text: str) -> int | Lost:
    """Return a stand-in for a number that every reader can read, if not to the last digit."""
    if math.isfinite(float(text)):
        return 0
    return Lost(f"has the number {text[:_SHOWN]}, which no 64-bit float can hold")


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"is not JSON: {name} is not a number there")


_decoder = json.JSONDecoder(
    object_pairs_hook=_read_object,
    parse_int=_read_int,
    parse_float=_read_float,
    parse_constant=_refuse_constant,
)
_decoder_of_text = json.JSONDecoder(
    object_pairs_hook=_read_object,
    parse_int=_check_number,
    parse_float=_check_number,
    parse_constant=_refuse_constant,
)


def find_written_problem(text: str) -> str | None:
    """Return why JSON that is handed on as it was written is refused, or None.

    Ordinary readers must be able to read it, also what a string of it holds: clients write objects
    so. Text loses no digit, so that numbers may have any number of them.
    """
    try:
        value = _decode(text, _decoder_of_text)
    except NotJson as error:
        return str(error)
    problem = find_json_problem(value, any_keys=True)
    if problem or not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return problem
    try:
        inner = find_json_problem(_decode(value, _decoder_of_text), any_keys=True)
    except NotJson as error:  # no JSON, so it is text; unless that is what depth makes of it
        inner = _TOO_DEEP if str(error) == _TOO_DEEP else None
    return f"is a text of JSON that {inner}" if inner else None


def find_json_problem(value: Any, *, any_keys: bool = False) -> str | None:
    """Return why the database could not keep this JSON value, or None if it can.

    What is kept as text may have any keys. Walks without recursion, so that depth is an answer and
    not a crash.
    """
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return _TOO_DEEP
        if isinstance(node, dict):
            for key in node:
                problem = text_problem(key) if any_keys else _key_problem(key)
                if problem:
                    return problem
            waiting.extend((child, depth + 1) for child in node.values())
        elif isinstance(node, list):
            waiting.extend((child, depth + 1) for child in node)
        else:
            problem = scalar_problem(node)
            if problem:
                return problem
    return None


def _key_problem(key: str) -> str | None:
    if key == "":
        return "has an empty key"
    if key.startswith("$"):
        return f"has the key {key[:_SHOWN]!r}: keys must not start with '$'"
    if "." in key:
        return f"has the key {key[:_SHOWN]!r}: keys must not contain '.'"
    return text_problem(key)


def scalar_problem(value: Any) -> str | None:
    """Return why a single JSON value cannot be kept, or None."""
    if isinstance(value, Lost):
        return value.problem
    if isinstance(value, str):
        return text_problem(value)
    if isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX:
        return _TOO_LARGE
    if isinstance(value, float) and not math.isfinite(value):
        return "has a number that is not finite"
    return None


def text_problem(text: str) -> str | None:
    """Return why a text cannot be kept (NUL, half a surrogate pair), or None."""
    if "\x00" in text:
        return "contains the character NUL"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "contains half a surrogate pair"
    return None
