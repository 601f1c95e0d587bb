"""Which data a module reads and writes for one execution: its requirements, with begin and end."""

from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shared.domain.local_time import find_zone, first_moment, to_local

# Elapsed time: 24 h are 24 hours, also on a day of 23.
_ELAPSED = {
    **dict.fromkeys(("s", "S"), timedelta(seconds=1)),
    **dict.fromkeys(("min", "m", "T"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "H"), timedelta(hours=1)),
}
# The calendar of the workflow's zone: the same time of another day.
_DAYS = {"D": 1, "d": 1, "W": 7, "w": 7}
_MONTH = "M"
_TOLD = ("table_kind", "table_name", "table_columns")
_CANNOT = (KeyError, TypeError, ValueError, OverflowError)


def resolve_windows(
    requirements: Mapping[str, Any], execution_time: datetime, zone: str
) -> dict[str, Any]:
    """Return the windows of each of these requirements that has any, under its name.

    A requirement is a JSON object as modules register it; a list of them makes a list of windows,
    an object of them an object. What is none is left out.
    """
    clock = find_zone(zone)
    resolved = {
        name: _resolve(value, lambda one: _window(one, execution_time, clock))
        for name, value in requirements.items()
    }
    return {name: windows for name, windows in resolved.items() if windows}


def _resolve(value: Any, window: Callable[[Any], dict[str, Any] | None]) -> Any:
    if isinstance(value, list):
        return _present(map(window, value))
    if not isinstance(value, dict):
        return None
    alone = window(value)
    if alone is not None:
        return [alone]
    windows = {name: window(one) for name, one in value.items()}
    return {name: found for name, found in windows.items() if found is not None}


def _present(windows: Iterable[dict[str, Any] | None]) -> list[dict[str, Any]]:
    return [window for window in windows if window is not None]


def _window(requirement: Any, moment: datetime, zone: ZoneInfo) -> dict[str, Any] | None:
    """Return a requirement with its window, both ends included; None for what is none."""
    try:
        unit = requirement["time_unit"]
        begin = _move(moment, _whole(requirement["time_begin"]), unit, zone)
        end = _move(moment, _whole(requirement["time_end"]), unit, zone)
    except _CANNOT:
        return None
    told = {key: requirement[key] for key in _TOLD if key in requirement}
    return told | {"begin": begin.isoformat(), "end": end.isoformat()}


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _move(moment: datetime, count: int, unit: str, zone: ZoneInfo) -> datetime:
    """Return a moment so many units later, on the zone's clock."""
    if unit in _ELAPSED:
        return (moment.astimezone(UTC) + count * _ELAPSED[unit]).astimezone(zone)
    local = to_local(moment, zone)
    if count == 0:
        return moment.astimezone(zone)
    if unit == _MONTH:
        moved = _add_months(local, count)
    else:
        moved = local + timedelta(days=count * _DAYS[unit])
    return first_moment(moved, zone).astimezone(zone)


def _add_months(local: datetime, count: int) -> datetime:
    """Return the same day of another month, or its last one: 31 January and one are 28 February."""
    year, month = divmod(local.year * 12 + local.month - 1 + count, 12)
    last_day = monthrange(year, month + 1)[1]
    return local.replace(year=year, month=month + 1, day=min(local.day, last_day))
