"""Times, durations, names and quotations as sentences for people have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from shared.domain.actor import ANONYMOUS, MODULE, PLATFORM, Actor

QUOTED_MAX = 160
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_ACTORS = {
    PLATFORM: "the platform",
    MODULE: "the module",
    ANONYMOUS: "a caller of the HTTP API",
}


@dataclass(frozen=True, kw_only=True)
class WallClock:
    """Tells times in one zone: those of the day that it is about without their date."""

    zone: tzinfo
    about: datetime

    @classmethod
    def of(cls, timezone: str, about: datetime) -> "WallClock":
        """Return the clock of a zone by name; of UTC when there is no such zone."""
        try:
            return cls(zone=ZoneInfo(timezone), about=about)
        except (OSError, ValueError, KeyError):
            return cls(zone=UTC, about=about)

    def tell(self, at: datetime) -> str:
        """Return a moment as 09:30, 09:30:12 or 2026-11-20 09:30."""
        local = at.astimezone(self.zone)
        time = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
        is_same_day = local.date() == self.about.astimezone(self.zone).date()
        return time if is_same_day else f"{local:%Y-%m-%d} {time}"


def tell_duration(duration: timedelta) -> str:
    """Return a duration as 40 ms, 4.5 s, 12 s, 4 min, 1 h 30 min or 3 d."""
    seconds = max(0.0, duration.total_seconds())
    if seconds < 1:
        return f"{round(seconds * 1000)} ms" if seconds else "0 s"
    if seconds < 10:  # tenths help to tell short ones apart
        return f"{seconds:.1f} s".replace(".0 s", " s")
    left, parts = round(seconds), []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def quote(text: str) -> str:
    """Return somebody's words on one line, between quotation marks, cut when they are long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    cut = line if len(line) <= QUOTED_MAX else f"{line[:QUOTED_MAX].rstrip()}…"
    return f"'{cut}'"


def name_actor(actor: Actor) -> str:
    """Return an actor as a sentence names it."""
    return _ACTORS.get(actor) or actor.removeprefix("user:") or "somebody"


def times(count: int) -> str:
    """Return how often: once, twice, 3 times."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def join(words: Sequence[str]) -> str:
    """Return words as an enumeration: a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
