"""Reads a JSON object that a person wrote, field by field, and notes everything that is wrong."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from shared.domain.json_document import Lost, text_problem
from shared.domain.likeness import find_near
from shared.domain.module import normalise

Path = tuple[str | int, ...]
E = TypeVar("E", bound=StrEnum)
_KEY_SHOWN = 40
_find_control_character = re.compile(r"[\x00-\x1f\x7f-\x9f]").search


@dataclass(frozen=True)
class Problem:
    """What is wrong with one field; the text is the rest of a sentence that begins with it."""

    path: Path
    text: str

    def __str__(self) -> str:
        parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return f"{''.join(parts).lstrip('.')} {self.text}".strip()


@dataclass
class Words:
    """One object of a document: what its fields say, or the default beside a problem noted."""

    values: Mapping[str, Any]
    path: Path = ()
    problems: list[Problem] = field(default_factory=list)

    def note(self, problem: str, *path: str | int) -> None:
        """Note that a field is wrong."""
        self.problems.append(Problem((*self.path, *path), problem))

    def has(self, key: str) -> bool:
        """Return whether a field says anything."""
        return self.values.get(key) is not None

    def require(self, key: str) -> None:
        """Note it if a field says nothing."""
        if not self.has(key):
            self.note("is required", key)

    def refuse_unknown(self, known: Iterable[str]) -> None:
        """Note fields that have no meaning here, with the one that may be meant."""
        known = list(known)
        for key in self.values:
            if key not in known:
                near = find_near(str(key), known) if len(str(key)) > 2 else []
                hint = f"; do you mean {near[0]}?" if near else ""
                self.note(f"is not known here{hint}", str(key)[:_KEY_SHOWN])

    def text(
        self, key: str, max_length: int, *, may_be_empty: bool = True, is_one_line: bool = True
    ) -> str:
        """Return a text, one that is a single line as names are kept; empty if there is none."""
        value = self.values.get(key)
        if value is None:
            return ""
        problem = find_text_problem(
            value, max_length, may_be_empty=may_be_empty, is_one_line=is_one_line
        )
        if problem:
            self.note(problem, key)
            return ""
        return normalise(value) if is_one_line else str(value)

    def whole(self, key: str, low: int, high: int, default: int) -> int:
        """Return a whole number from a range."""
        value = self._number(key, low, high)
        if value is not None and not isinstance(value, int):
            self.note("must be a whole number", key)
            return default
        return default if value is None else value

    def seconds(self, key: str, low: float, high: float) -> float | None:
        """Return a time in seconds from a range, None if there is none."""
        value = self._number(key, low, high)
        return None if value is None else float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self.values.get(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.note("must be true or false", key)
        return default

    def choice(self, key: str, default: E) -> E:
        """Return one of the values of an enumeration."""
        kind = type(default)
        value = self.values.get(key)
        if value is None:
            return default
        if isinstance(value, str) and value in set(kind):
            return kind(value)
        self.note(f"must be one of: {', '.join(kind)}", key)
        return default

    def items(self, key: str, most: int, *, what: str) -> list[Any]:
        """Return the items of a list."""
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.note(_or_lost(value, f"must be a list of {what}"), key)
        elif len(value) > most:
            self.note(f"must not have more than {most} items", key)
        else:
            return value
        return []

    def objects(self, key: str, most: int, *, what: str) -> Iterator["Words"]:
        """Yield the objects of a list."""
        for position, value in enumerate(self.items(key, most, what=what)):
            if isinstance(value, dict):
                yield Words(value, (*self.path, key, position), self.problems)
            else:
                self.note(_or_lost(value, "must be an object"), key, position)

    def _number(self, key: str, low: float, high: float) -> int | float | None:
        value = self.values.get(key)
        if value is None:
            return None
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not math.isfinite(value)
        ):
            self.note(_or_lost(value, "must be a number"), key)
        elif not low <= value <= high:
            self.note(f"must be from {low:.16g} to {high:.16g}", key)
        else:
            return value
        return None


def find_text_problem(
    value: Any, max_length: int, *, may_be_empty: bool = True, is_one_line: bool = True
) -> str | None:
    """Return why a value is no such text, or None."""
    if not isinstance(value, str):
        return _or_lost(value, "must be text")
    if not value.strip() and not may_be_empty:
        return "must not be empty"
    if len(value) > max_length:
        return f"must not be longer than {max_length} characters"
    if is_one_line and _find_control_character(value):
        return "must not contain control characters"
    return text_problem(value)


def _or_lost(value: Any, problem: str) -> str:
    return value.problem if isinstance(value, Lost) else problem
