"""The zone of this machine, by a name that others know."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from shared.clock import machine_timezone
from tests.support.builders import NOON


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Have the machine stand in a time zone."""

    def move_to(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move_to
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("zone", "hours"), [("UTC", 0), ("Asia/Shanghai", 8), ("Etc/GMT+5", -5)])
def test_the_machines_zone_shows_what_its_clocks_show(
    move: Callable[[str], None], zone: str, hours: int
) -> None:
    move(zone)
    told = NOON.astimezone(ZoneInfo(machine_timezone(NOON)))
    assert told.utcoffset() == timedelta(hours=hours)


def test_a_zone_without_a_name_of_its_own_is_told_in_utc(move: Callable[[str], None]) -> None:
    move("XYZ-4:10")
    assert machine_timezone(NOON) == "UTC"
