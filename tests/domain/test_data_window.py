"""The windows of data requirements: units, ends of months, days of 23 and 25 hours."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.data_window import resolve_windows

SHANGHAI, BERLIN = "Asia/Shanghai", "Europe/Berlin"
WEATHER = {"table_kind": "feature", "table_name": "weather", "table_columns": ["t2m", "wind"]}


def requirement(begin: object, end: object, unit: object, **more: object) -> dict[str, Any]:
    return WEATHER | {"time_begin": begin, "time_end": end, "time_unit": unit} | more


def window(begin: int, end: int, unit: str, time: str, zone: str) -> tuple[str, str]:
    moment = datetime.fromisoformat(time).replace(tzinfo=ZoneInfo(zone))
    (found,) = resolve_windows({"input_data": [requirement(begin, end, unit)]}, moment, zone)[
        "input_data"
    ]
    return found["begin"], found["end"]


def test_a_window_says_which_table_and_from_when_to_when() -> None:
    moment = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
    found = resolve_windows({"dataRequirement": [requirement(-24, 72, "h")]}, moment, SHANGHAI)
    ends = {"begin": "2026-02-28T09:30:00+08:00", "end": "2026-03-04T09:30:00+08:00"}
    assert found == {"dataRequirement": [WEATHER | ends]}


@pytest.mark.parametrize(
    ("unit", "begin"),
    [
        ("s", "2026-05-01T09:29:58"),
        ("S", "2026-05-01T09:29:58"),
        ("min", "2026-05-01T09:28:00"),
        ("T", "2026-05-01T09:28:00"),
        ("h", "2026-05-01T07:30:00"),
        ("H", "2026-05-01T07:30:00"),
        ("D", "2026-04-29T09:30:00"),
        ("W", "2026-04-17T09:30:00"),
        ("M", "2026-03-01T09:30:00"),
    ],
)
def test_units_are_those_that_pandas_writes(unit: str, begin: str) -> None:
    found = window(-2, 0, unit, "2026-05-01T09:30", SHANGHAI)
    assert found == (f"{begin}+08:00", "2026-05-01T09:30:00+08:00")


@pytest.mark.parametrize(
    ("unit", "begin", "end"),
    [
        # On 29 March clocks go from 02:00 to 03:00, on 25 October from 03:00 to 02:00.
        ("D", "2026-03-28T12:00:00+01:00", "2026-03-30T12:00:00+02:00"),
        ("h", "2026-03-29T11:00:00+02:00", "2026-03-29T13:00:00+02:00"),
    ],
)
def test_days_are_of_the_calendar_and_hours_elapse(unit: str, begin: str, end: str) -> None:
    assert window(-1, 1, unit, "2026-03-29T12:00", BERLIN) == (begin, end)


def test_24_hours_before_noon_are_eleven_on_a_day_of_23_hours() -> None:
    begin, _ = window(-24, 0, "h", "2026-03-29T12:00", BERLIN)
    assert begin == "2026-03-28T11:00:00+01:00"


def test_24_hours_before_noon_are_one_on_a_day_of_25_hours() -> None:
    begin, _ = window(-24, 0, "h", "2026-10-25T12:00", BERLIN)
    assert begin == "2026-10-24T13:00:00+02:00"


def test_a_begin_that_clocks_skip_is_when_they_are_put_forward() -> None:
    begin, _ = window(-1, 0, "D", "2026-03-30T02:30", BERLIN)
    assert begin == "2026-03-29T03:00:00+02:00"


def test_a_begin_that_comes_twice_is_the_first_one() -> None:
    begin, _ = window(-1, 0, "D", "2026-10-26T02:30", BERLIN)
    assert begin == "2026-10-25T02:30:00+02:00"


def test_an_execution_in_the_second_of_two_hours_keeps_its_own_time() -> None:
    moment = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    found = resolve_windows({"input_data": [requirement(-1, 0, "D")]}, moment, BERLIN)
    assert found["input_data"][0]["end"] == "2026-10-25T02:30:00+01:00"


@pytest.mark.parametrize(
    ("time", "count", "begin"),
    [
        ("2026-03-31T09:00", -1, "2026-02-28T09:00:00+08:00"),
        ("2028-03-31T09:00", -1, "2028-02-29T09:00:00+08:00"),
        ("2026-01-31T09:00", 1, "2026-02-28T09:00:00+08:00"),
        ("2026-01-15T09:00", -1, "2025-12-15T09:00:00+08:00"),
        ("2026-12-31T09:00", -12, "2025-12-31T09:00:00+08:00"),
        ("2026-12-31T09:00", 1, "2027-01-31T09:00:00+08:00"),
    ],
)
def test_months_end_where_the_calendar_says(time: str, count: int, begin: str) -> None:
    assert window(count, 0, "M", time, SHANGHAI)[0] == begin


@pytest.mark.parametrize(
    ("time", "begin"),
    [
        ("2026-03-01T00:00", "2026-02-28T00:00:00+08:00"),
        ("2028-03-01", "2028-02-29T00:00:00+08:00"),
    ],
)
def test_the_day_before_the_first_is_the_last_of_the_month(time: str, begin: str) -> None:
    assert window(-1, 0, "D", time, SHANGHAI)[0] == begin


def test_an_object_of_requirements_makes_an_object_and_one_alone_a_list() -> None:
    one = requirement(-1, 0, "D")
    found = resolve_windows(
        {"input_data": {"past": one, "note": "none"}, "output_data": one},
        datetime(2026, 5, 1, tzinfo=UTC),
        SHANGHAI,
    )
    assert list(found["input_data"]) == ["past"]
    assert found["output_data"] == [found["input_data"]["past"]]


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        ["weather"],
        [1, None, [requirement(-1, 0, "D")]],
        {"table_name": "weather"},
        requirement(-1, 0, "fortnight"),
        requirement(-1, 0, ["D"]),
        requirement("-1", 0, "D"),
        requirement(True, 0, "D"),
        requirement(-1.5, 0, "D"),
        requirement(-(2**62), 0, "D"),
        requirement(-(2**62), 0, "s"),
        requirement(-(2**62), 0, "M"),
        requirement(-9000, 2**40, "M"),
    ],
)
def test_what_is_no_requirement_is_left_alone(value: Any) -> None:
    assert resolve_windows({"input_data": value}, datetime(2026, 5, 1, tzinfo=UTC), SHANGHAI) == {}


ZONES = st.sampled_from([SHANGHAI, BERLIN, "America/New_York", "Australia/Lord_Howe"])
TIMES = st.integers(1_600_000_000, 2_000_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))


@given(TIMES, ZONES, st.integers(-5000, 5000), st.sampled_from(["s", "min", "h", "D", "W", "M"]))
def test_a_window_names_the_moment_that_its_unit_means(
    moment: datetime, zone: str, count: int, unit: str
) -> None:
    if unit == "M":
        count %= 100
    found = resolve_windows({"x": [requirement(count, 0, unit)]}, moment, zone)["x"][0]
    begin, end = (datetime.fromisoformat(found[name]) for name in ("begin", "end"))
    assert end == moment
    if unit in ("s", "min", "h"):
        seconds = {"s": 1, "min": 60, "h": 3600}[unit]
        assert begin - moment == timedelta(seconds=seconds * count)
    else:
        clock = moment.astimezone(ZoneInfo(zone))
        is_put_forward = (
            begin.utcoffset() != (begin - timedelta(hours=1)).astimezone(ZoneInfo(zone)).utcoffset()
        )
        assert is_put_forward or begin.timetz().replace(tzinfo=None) == clock.time()
