"""Local times and the moments they are: zones by name, clocks that are put forward and back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

ZONE_MAX_LENGTH = 64
# Files that lie beside the zones: clocks that count leap seconds, this machine's own, and no zone.
_NO_ZONES = ("right/", "posix/")
_NO_ZONE = frozenset({"posixrules", "localtime", "Factory"})


class UnknownZone(ValueError):
    """No time zone has this name; what it says begins with the name."""


def find_zone(name: str) -> ZoneInfo:
    """Return the time zone with this IANA name; raises UnknownZone."""
    try:
        is_zone = name not in _NO_ZONE and not name.startswith(_NO_ZONES)
        if name and is_zone and len(name) <= ZONE_MAX_LENGTH:
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass  # a directory, a path out of the database, or nothing at all
    raise UnknownZone(
        f"{name[:ZONE_MAX_LENGTH]!r} is no time zone known here: give an IANA name such as Asia/Shanghai"
    )


def first_moment(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when a zone's clock shows this time first, in UTC.

    A time that clocks skip when they are put forward is the moment at which they are.
    """
    moment = local.replace(tzinfo=zone).astimezone(UTC)
    if to_local(moment, zone) == local:
        return moment
    after = moment  # with the offset of before, it lies behind the gap
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        before, after = (before, middle) if to_local(middle, zone) > local else (middle, after)
    return after.replace(microsecond=0)


def moments(local: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield each moment at which a zone's clock shows this time: none, one or two."""
    seen = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return (moment for moment in sorted(seen) if to_local(moment, zone) == local)


def to_local(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return what a zone's clock shows at a moment, without the zone."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)
