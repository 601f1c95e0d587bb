"""Free-form JSON that a module registers with: what of it can be kept."""

import math
from typing import Any

MAX_BYTES = 64 * 1024
MAX_DEPTH = 64
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


def find_json_problem(value: Any) -> str | None:
    """Return why the database could not keep this JSON value, or None if it can.

    Walks without recursion, so that depth is an answer and not a crash.
    """
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return f"is nested more than {MAX_DEPTH} levels deep"
        if isinstance(node, dict):
            for key in node:
                problem = _key_problem(key)
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
        return f"has the key {key[:40]!r}: keys must not start with '$'"
    if "." in key:
        return f"has the key {key[:40]!r}: keys must not contain '.'"
    return text_problem(key)


def scalar_problem(value: Any) -> str | None:
    """Return why a single JSON value cannot be kept, or None."""
    if isinstance(value, str):
        return text_problem(value)
    if isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX:
        return "has an integer that does not fit into 64 bits"
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
