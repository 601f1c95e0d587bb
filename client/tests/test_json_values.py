"""What handlers return becomes JSON, whatever library it is from."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import namedtuple
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy
import pytest

from forecast_module.json_values import NotJson, to_json

CLIENT_DIR = Path(__file__).resolve().parents[1]


class Kind(Enum):
    LOAD = "load"


class Number(IntEnum):
    ONE = 1


@dataclass
class Row:
    at: date
    value: float


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (2.5, 2.5),
        ("text", "text"),
        (math.nan, None),
        (math.inf, None),
        ([1, (2, math.nan)], [1, [2, None]]),
        ({1}, [1]),
        ({"a": {"b": -math.inf}}, {"a": {"b": None}}),
        (datetime(2026, 3, 1, 8, tzinfo=timezone.utc), "2026-03-01T08:00:00+00:00"),
        (date(2026, 3, 1), "2026-03-01"),
        (timedelta(minutes=1), 60.0),
        (Decimal("1.5"), 1.5),
        (Decimal("NaN"), None),
        (Kind.LOAD, "load"),
        (Number.ONE, 1),
        (UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (Path("a/b"), "a/b"),
        (Row(date(2026, 3, 1), math.nan), {"at": "2026-03-01", "value": None}),
        (Point(1, 2), [1, 2]),
        ({date(2026, 3, 1): 1, 2: 2, None: 3, True: 4, ("a", 1): 5},
         {"2026-03-01": 1, "2": 2, "null": 3, "true": 4, "a/1": 5}),
        (range(3), [0, 1, 2]),
        ((n for n in "ab"), ["a", "b"]),
    ],
)  # fmt: skip
def test_a_value_becomes_json(value: Any, expected: Any) -> None:
    assert to_json(value) == expected


def test_what_has_no_form_is_named_with_its_place() -> None:
    with pytest.raises(NotJson, match=r"^result\.rows\[1\]\.value is a builtins\.bytes"):
        to_json({"rows": [{}, {"value": b"raw"}]})


def test_what_contains_itself_is_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(NotJson, match="contains itself"):
        to_json(ring)


def test_two_keys_that_are_one_in_json_are_refused() -> None:
    with pytest.raises(NotJson, match="two keys"):
        to_json({1: "a", "1": "b"})


def test_the_package_imports_neither_numpy_nor_pandas() -> None:
    program = "import forecast_module, sys; print({'numpy', 'pandas'} & set(sys.modules))"
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CLIENT_DIR
    )
    assert said.stdout == "set()\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (numpy.float32(0.5), 0.5),
        (numpy.float64("nan"), None),
        (numpy.int64(7), 7),
        (numpy.bool_(True), True),
        (numpy.str_("a"), "a"),
        (numpy.array([[1.5, numpy.nan], [numpy.inf, 2]]), [[1.5, None], [None, 2.0]]),
        (numpy.array(3), 3),
        (numpy.array(["2026-03-01T08:00"], dtype="datetime64[ns]"), ["2026-03-01T08:00:00"]),
        (numpy.datetime64("NaT"), None),
        (numpy.datetime64("2026-03-01T08:00:00.000000000"), "2026-03-01T08:00:00"),
        (numpy.timedelta64(90, "s"), 90.0),
        ({numpy.int64(1): numpy.float32(2)}, {"1": 2.0}),
    ],
)
def test_numpy_becomes_json(value: Any, expected: Any) -> None:
    assert to_json(value) == expected
