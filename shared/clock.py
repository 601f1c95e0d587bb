"""The only place where the wall clock is read."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the current time, aware, in UTC, cut to the milliseconds that MongoDB keeps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
