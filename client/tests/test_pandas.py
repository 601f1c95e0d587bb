"""Tables and series of pandas become rows and lists, with nothing lost."""

from __future__ import annotations

from typing import Any

import pandas
import pytest

from forecast_module.json_values import to_json

HOURS = pandas.date_range("2026-03-01", periods=2, freq="h", tz="Asia/Shanghai")
TIMES = ["2026-03-01T00:00:00+08:00", "2026-03-01T01:00:00+08:00"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (pandas.Series([1.5, float("nan")]), [1.5, None]),
        (pandas.Series([1, 2], dtype="Int64"), [1, 2]),
        (pandas.Series([1, None], dtype="Int64"), [1, None]),
        (pandas.Series(HOURS), TIMES),
        (
            pandas.Series([1, 2], index=HOURS),
            [{"index": TIMES[0], "value": 1}, {"index": TIMES[1], "value": 2}],
        ),
        (
            pandas.DataFrame({"a": [1, 2], "b": ["x", None]}),
            [{"a": 1, "b": "x"}, {"a": 2, "b": None}],
        ),
        (
            pandas.DataFrame({"load": [1.0, float("inf")]}, index=HOURS.rename("time")),
            [{"time": TIMES[0], "load": 1.0}, {"time": TIMES[1], "load": None}],
        ),
        (pandas.DataFrame({("a", "x"): [1]}), [{"a/x": 1}]),
        (pandas.DataFrame(), []),
        (pandas.Timestamp("2026-03-01"), "2026-03-01T00:00:00"),
        (pandas.NaT, None),
        (pandas.NA, None),
        (pandas.Timedelta("90s"), 90.0),
        (pandas.Index([3, 4]), [3, 4]),
        (HOURS, TIMES),
        (pandas.Categorical(["a", "b"]), ["a", "b"]),
        ({"deep": [pandas.Series([1])]}, {"deep": [[1]]}),
    ],
)
def test_pandas_becomes_json(value: Any, expected: Any) -> None:
    assert to_json(value) == expected
