"""The only place where the wall clock is read, and the zone that this machine shows it in."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

LOCAL_TIME = Path("/etc/localtime")


def utc_now() -> datetime:
    """Return the current time, aware, in UTC, cut to the milliseconds that MongoDB keeps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def machine_timezone(at: datetime) -> str:
    """Return the name of a zone whose clocks show a moment as this machine's do, or UTC."""
    offset = at.astimezone().utcoffset() or timedelta(0)
    own = str(LOCAL_TIME.resolve()).partition("zoneinfo/")[2]
    # The signs of these are the other way round: Etc/GMT-8 is eight hours ahead.
    by_hours = f"Etc/GMT{-round(offset / timedelta(hours=1)):+d}"
    return next((name for name in (own, "UTC", by_hours) if _offset_of(name, at) == offset), "UTC")


def _offset_of(name: str, at: datetime) -> timedelta | None:
    try:
        return at.astimezone(ZoneInfo(name)).utcoffset() if name else None
    except (OSError, ValueError, KeyError):
        return None
