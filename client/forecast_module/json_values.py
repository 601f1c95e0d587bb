"""What handlers return, as JSON: numpy, pandas, dates and NaN without importing any of them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

DEEPEST = 100
MISSING = ("NaTType", "NAType")


class NotJson(TypeError):
    """A value has no form in JSON; the sentence says where it stands."""


def to_json(value: Any, place: str = "result") -> Any:
    """Return the value in dicts, lists, texts and numbers; raises NotJson."""
    return _convert(value, place, 0)


def _convert(value: Any, place: str, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return _convert_number(value)
    if isinstance(value, str) and not isinstance(value, Enum):
        return str(value)
    if depth > DEEPEST:
        raise NotJson(f"{place[:60]}… is nested deeper than {DEEPEST} levels, or contains itself.")
    if isinstance(value, Mapping):
        return _convert_mapping(value, place, depth)
    if isinstance(value, (list, tuple, range, deque, Set, Iterator)):
        return _convert_items(value, place, depth)
    return _convert_object(value, place, depth)


def _convert_number(value: Any) -> Any:
    if isinstance(value, Enum):
        return _convert_number(value.value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    return float(value) if math.isfinite(value) else None


def _convert_mapping(value: Mapping[Any, Any], place: str, depth: int) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    for key, item in value.items():
        name = _key(key)
        if name in converted:
            raise NotJson(f"{place} has two keys that are {name!r} in JSON.")
        converted[name] = _convert(item, f"{place}.{name}", depth + 1)
    return converted


def _convert_items(value: Iterable[Any], place: str, depth: int) -> list[Any]:
    return [_convert(item, f"{place}[{n}]", depth + 1) for n, item in enumerate(value)]


def _convert_object(value: Any, place: str, depth: int) -> Any:
    kind = type(value)
    if kind.__name__ in MISSING:
        return None
    if isinstance(value, Enum):
        return _convert(value.value, place, depth + 1)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value) if value.is_finite() else None
    if isinstance(value, (UUID, PurePath)):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: getattr(value, field.name) for field in fields(value)}
        return _convert(named, place, depth + 1)
    return _convert_foreign(value, place, depth)


def _convert_foreign(value: Any, place: str, depth: int) -> Any:
    """Convert what looks like a table, a series or an array, whatever library it is from."""
    if _is_pandas(value):
        return _convert(_pandas_values(value), place, depth + 1)
    if callable(getattr(value, "to_dicts", None)):  # a table of polars
        return _convert(value.to_dicts(), place, depth + 1)
    if _is_numpy_time(value):
        return _convert(_numpy_times(value), place, depth + 1)
    for name in ("tolist", "to_list", "isoformat"):
        method = getattr(value, name, None)
        if callable(method) and not isinstance(value, type):
            return _convert(method(), place, depth + 1)
    raise NotJson(
        f"{place} is a {type(value).__module__}.{type(value).__qualname__}, "
        "which has no form in JSON: return dicts, lists, texts, numbers, dates or arrays."
    )


def _is_pandas(value: Any) -> bool:
    has_rows = hasattr(value, "iloc") and hasattr(value, "index")
    return has_rows and callable(getattr(value, "reset_index", None))


def _pandas_values(value: Any) -> Any:
    """Return a table as a list of rows; an index that only counts from 0 is left out."""
    if not _only_counts(value.index):
        frame = value if hasattr(value, "columns") else _series_as_table(value)
        return frame.reset_index().to_dict("records")
    if hasattr(value, "columns"):
        return value.to_dict("records")
    return value.tolist()


def _series_as_table(series: Any) -> Any:
    return series.to_frame(name="value" if series.name is None else series.name)


def _only_counts(index: Any) -> bool:
    ends = (getattr(index, "start", None), getattr(index, "step", None))
    return ends == (0, 1) and getattr(index, "name", None) is None


def _is_numpy_time(value: Any) -> bool:
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return kind in ("M", "m") and type(value).__module__.partition(".")[0] == "numpy"


def _numpy_times(value: Any) -> Any:
    """Return times in microseconds as Python's own, for the finest ones are plain numbers there."""
    unit = "datetime64[us]" if value.dtype.kind == "M" else "timedelta64[us]"
    return value.astype(unit).tolist()


def _key(key: Any) -> str:
    if isinstance(key, str) and not isinstance(key, Enum):
        return str(key)
    if isinstance(key, tuple):
        return "/".join(_key(part) for part in key)
    converted = _convert(key, "a key", 0)
    if converted is None or isinstance(converted, (list, dict)):
        return "null" if converted is None else str(key)
    if isinstance(converted, bool):
        return "true" if converted else "false"
    return str(converted)
