"""A span of time is read in windows, the latest first, none of which takes long."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from shared.store.windows import paced
from tests.support.builders import NOON
from tests.support.steady_clock import Clock

MINUTE = timedelta(minutes=1)


def read_all(span: dict[str, datetime]) -> list[dict[str, Any]]:
    return [window for window, _ in paced(lambda window: window, NOON, span)]


def test_the_windows_follow_each_other_back_to_the_begin() -> None:
    read = read_all({"since": NOON - timedelta(days=3)})
    assert "$lt" not in read[0]
    assert [w["$lt"] for w in read[1:]] == [w["$gte"] for w in read[:-1]]
    assert read[-1]["$gte"] == NOON - timedelta(days=3)


def test_without_a_begin_all_is_read() -> None:
    assert read_all({})[-1]["$gte"].year == 1970


def test_a_span_that_begins_after_now_is_read_too() -> None:
    begin = NOON + MINUTE
    assert read_all({"since": begin}) == [{"$gte": begin}]


@pytest.mark.parametrize(("name", "word"), [("until", "$lte"), ("before", "$lt")])
def test_the_first_window_ends_where_the_span_does(name: str, word: str) -> None:
    (first, *_) = read_all({name: NOON, "since": NOON - timedelta(hours=1)})
    assert first == {"$gte": NOON - MINUTE, word: NOON}


def test_only_the_last_window_has_no_begin() -> None:
    begins = [begin for _, begin in paced(len, NOON, {"since": NOON - timedelta(hours=3)})]
    assert [begin is None for begin in begins] == [False] * (len(begins) - 1) + [True]


def test_a_window_is_narrower_after_a_slow_one() -> None:
    clock = Clock()
    seconds = iter([0.01, 0.1, 0.5, 0.5])

    def read(_: dict[str, Any]) -> None:
        clock.seconds += next(seconds)

    found = paced(read, NOON, {}, clock)
    begins = [NOON, *(begin for _, begin in (next(found) for _ in range(4)))]
    widths = [(a - b) / MINUTE for a, b in pairwise(begins)]
    assert widths == [1, 10, 10, 5]
