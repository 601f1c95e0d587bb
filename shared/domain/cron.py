"""Cron lines: which ones are accepted, and when they are due, clocks put forward and back included.

A time that is fixed is due once on its day. If clocks skip it, it is due at the moment at which they
are put forward; if they show it twice, the first time. A line whose minute or hour starts with a
star follows the clock itself: what is skipped is left out, what comes twice is due twice.
"""

import copy
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from shared.domain.local_time import find_zone, first_moment, moments, to_local

LINE_MAX_LENGTH = 100
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
FIELDS = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31"),
    ("month", "1 to 12, or JAN to DEC"),
    ("day of the week", "0 to 7, or SUN to SAT; 0 and 7 are Sunday"),
)
# Where the search for a first due time begins; CronSim itself gives up after 50 years.
_ANY_DAY = datetime(2024, 1, 1)  # noqa: DTZ001 local time, of whatever zone
# Clocks are put back by three hours at most; no zone did more for a century.
_MOST_PUT_BACK = timedelta(hours=3)
_find_odd_character = re.compile(r"[^0-9A-Z*,/#-]").search


class BadCron(ValueError):
    """A cron line that is refused; what it says begins with the line."""


def expand_cron(line: str) -> str:
    """Return a cron line in five fields, one space between them; raises BadCron."""
    shown = repr(line[:LINE_MAX_LENGTH])
    words = line.upper().split()
    expanded = ALIASES.get(line.strip().lower()) or " ".join(words)
    if expanded.startswith("@"):
        raise BadCron(f"{shown} is no alias known here: {', '.join(ALIASES)}")
    fields = expanded.split(" ")
    if len(fields) != len(FIELDS):
        count = 0 if not expanded else len(fields)
        raise BadCron(
            f"{shown} has {count} fields; it must have 5: "
            "minute, hour, day of the month, month, day of the week"
        )
    if len(expanded) > LINE_MAX_LENGTH:
        raise BadCron(f"{shown}… is longer than {LINE_MAX_LENGTH} characters")
    for number, field in enumerate(fields):
        _require_valid(number, field, shown)
    _require_due(expanded, shown)
    return expanded


def next_due(crons: Iterable[str], zone: str, shift: timedelta, after: datetime) -> datetime:
    """Return when these lines are due next, later than a moment, in UTC.

    A shift moves the due times by so much elapsed time, to earlier ones when it is negative.
    """
    clock = find_zone(zone)
    return min(_next_moment(line, clock, after - shift) for line in crons) + shift


def due_times(
    crons: Sequence[str], zone: str, shift: timedelta, begin: datetime, end: datetime
) -> Iterator[datetime]:
    """Yield every moment at which these lines are due, from begin to before end, each once."""
    due = next_due(crons, zone, shift, begin - timedelta(microseconds=1))
    while due < end:
        yield due
        due = next_due(crons, zone, shift, due)


def _require_valid(number: int, field: str, shown: str) -> None:
    """Refuse a field that is wrong by itself, by its name."""
    name, allowed = FIELDS[number]
    fields = ["*"] * len(FIELDS)
    fields[number] = field
    try:
        if _find_odd_character(field):
            raise CronSimError
        CronSim(" ".join(fields), _ANY_DAY)
    except CronSimError:
        raise BadCron(f"{shown} has the {name} {field!r}: it must be {allowed}") from None


def _require_due(line: str, shown: str) -> None:
    """Refuse a line whose fields are right and never come together, as on 30 February."""
    try:
        next(CronSim(line, _ANY_DAY))
    except (CronSimError, StopIteration):
        raise BadCron(f"{shown} is never due: no month of it has such a day") from None


@lru_cache(maxsize=16_384)
def _parse(line: str) -> CronSim:
    return CronSim(expand_cron(line), _ANY_DAY)


def _local_times(line: str, after: datetime) -> CronSim:
    """Return an iterator over the local times of a line; its zone knows no daylight saving."""
    times = copy.copy(_parse(line))
    times.dt = after.replace(microsecond=0)
    return times


def _is_fixed(line: str) -> bool:
    _, minute, hour, *_ = _parse(line).parts
    return not minute.startswith("*") and not hour.startswith("*")


def _next_moment(line: str, zone: ZoneInfo, after: datetime) -> datetime:
    after = after.astimezone(UTC)
    shown = to_local(after, zone)
    offset = shown - after.replace(tzinfo=None)
    moment = (next(_local_times(line, shown)) - offset).replace(tzinfo=UTC)
    # Only where no clock is changed nearby is this the answer; there it always is.
    nearby = (after - _MOST_PUT_BACK, moment, moment + _MOST_PUT_BACK)
    if all(to_local(time, zone) - time.replace(tzinfo=None) == offset for time in nearby):
        return moment
    return _next_around_change(line, zone, after)


def _next_around_change(line: str, zone: ZoneInfo, after: datetime) -> datetime:
    """Find the next moment where clocks are changed: local times are not in order there."""
    is_fixed = _is_fixed(line)
    best: datetime | None = None
    for local in _local_times(line, to_local(after, zone) - _MOST_PUT_BACK):
        first = first_moment(local, zone)
        if best is not None and first >= best:
            return best
        found = [first] if is_fixed else moments(local, zone)
        best = min([*(m for m in found if m > after), *([best] if best else [])], default=None)
    raise BadCron(f"The cron line {line!r} is never due")
