"""Times, durations and quotations for people."""

from datetime import timedelta

import pytest

from shared.domain.actor import ANONYMOUS, MODULE, PLATFORM, Actor
from shared.domain.phrases import WallClock, join, name_actor, quote, tell_duration, times
from tests.support.builders import NOON


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (0.04, "40 ms"),
        (4, "4 s"),
        (4.03, "4 s"),
        (4.5, "4.5 s"),
        (12.4, "12 s"),
        (60, "1 min"),
        (95, "1 min 35 s"),
        (5400, "1 h 30 min"),
        (5401, "1 h 30 min"),
        (3 * 86400, "3 d"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float, told: str) -> None:
    assert tell_duration(timedelta(seconds=seconds)) == told


def test_a_time_is_told_with_its_date_only_on_another_day() -> None:
    clock = WallClock.of("Asia/Shanghai", NOON)
    assert clock.tell(NOON) == "20:00"
    assert clock.tell(NOON + timedelta(seconds=12)) == "20:00:12"
    assert clock.tell(NOON + timedelta(hours=4)) == "2026-03-02 00:00"


@pytest.mark.parametrize("zone", ["nowhere", "", "../etc/passwd", "Asia"])
def test_a_zone_that_does_not_exist_is_utc(zone: str) -> None:
    assert WallClock.of(zone, NOON).tell(NOON) == "12:00"


def test_what_somebody_said_is_quoted_on_one_line() -> None:
    assert quote("no\n weather\x00data ") == "'no weather data'"
    assert len(quote("x" * 1000)) < 200


def test_actors_have_names() -> None:
    named = [name_actor(actor) for actor in (PLATFORM, MODULE, ANONYMOUS, Actor("user:alice"))]
    assert named == ["the platform", "the module", "a caller of the HTTP API", "alice"]


def test_words_are_counted_and_joined() -> None:
    assert [times(count) for count in (1, 2, 3)] == ["once", "twice", "3 times"]
    assert [join(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
