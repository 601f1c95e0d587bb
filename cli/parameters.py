"""What operators may type for a module and for a time."""

import re
from datetime import UTC, datetime, timedelta

import click

from shared.clock import utc_now

HASH_LENGTH = 64
SHORTEST_PREFIX = 8
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class HashPrefix(click.ParamType[str]):
    """A module's hash, or at least the first eight characters of it."""

    name = "hash"

    def convert(
        self, value: str, param: click.Parameter | None, context: click.Context | None
    ) -> str:
        """Return the prefix in lower case; the command finds its module."""
        text = value.strip().lower()
        pattern = f"[0-9a-f]{{{SHORTEST_PREFIX},{HASH_LENGTH}}}"
        if not re.fullmatch(pattern, text):
            self.fail(
                f"{value[:80]!r} is not a module's hash, nor its first {SHORTEST_PREFIX} "
                "characters or more (0-9, a-f).",
                param,
                context,
            )
        return text


class Since(click.ParamType[datetime]):
    """A moment: so long ago (`2h`), or a date with or without a time."""

    name = "since"

    def convert(
        self, value: "str | datetime", param: click.Parameter | None, context: click.Context | None
    ) -> datetime:
        """Return the moment in UTC; without a zone it is the local time of this machine."""
        if isinstance(value, datetime):
            return value
        age = re.fullmatch(r"(\d{1,6})([smhdw])", value.strip())
        try:
            if age:
                return utc_now() - timedelta(**{UNITS[age[2]]: int(age[1])})
            return datetime.fromisoformat(value.strip()).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither 90s, 30m, 2h, 7d nor 2026-11-21T10:00.", param, context
            )


HASH = HashPrefix()
SINCE = Since()
