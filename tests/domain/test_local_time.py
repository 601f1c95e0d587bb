"""Local times and the moments that they are."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from shared.domain.local_time import UnknownZone, find_zone, first_moment, moments, to_local


def shown(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("zone", "local", "moment"),
    [
        ("Asia/Shanghai", "2026-03-29T02:30", "2026-03-28T18:30"),
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00"),  # skipped
        ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30"),  # twice
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00"),  # a whole day was skipped
    ],
)
def test_a_time_that_is_skipped_is_the_moment_at_which_clocks_are_put_forward(
    zone: str, local: str, moment: str
) -> None:
    expected = shown(moment).replace(tzinfo=UTC)
    assert first_moment(shown(local), find_zone(zone)) == expected


@pytest.mark.parametrize(
    ("local", "count"), [("2026-03-29T02:30", 0), ("2026-03-29T03:00", 1), ("2026-10-25T02:30", 2)]
)
def test_a_clock_shows_a_time_never_once_or_twice(local: str, count: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    found = list(moments(shown(local), berlin))
    assert len(found) == count
    assert all(to_local(moment, berlin) == shown(local) for moment in found)


@pytest.mark.parametrize(
    "name",
    [
        *("", "Mars/Olympus", "../zone", "Asia", "right/UTC", "posix/UTC"),
        *("posixrules", "localtime", "Factory", "x" * 65),
    ],
)
def test_what_is_no_zone_of_the_database_is_refused(name: str) -> None:
    with pytest.raises(UnknownZone, match="no time zone known here"):
        find_zone(name)
