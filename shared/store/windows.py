"""The newest documents first, read in windows of time that grow.

The embedded server reads everything that matches before it sorts and limits; within a window of an
index it reads little. A real MongoDB is served as well: each window is a range of the same index.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from shared.store.lenient import LONG_AGO

T = TypeVar("T")

WIDTHS = tuple(timedelta(minutes=10**power) for power in range(6))
# How long a window should take to read: a quick one is followed by a wider one.
QUICK_SECONDS, SLOW_SECONDS = 0.05, 0.2


def newest_first(
    read: Callable[[dict[str, Any]], Iterable[T]],
    key: Callable[[T], tuple[datetime, str]],
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[T]:
    """Yield what is found, newest first; `read` is asked for a range of time at a time."""
    for span in _windows(now, since or LONG_AGO, until):
        yield from sorted(read(span), key=key, reverse=True)


def _windows(now: datetime, since: datetime, until: datetime | None) -> Iterator[dict[str, Any]]:
    # Without a moment to stop at, the first has no end: clocks differ.
    span: dict[str, Any] = {} if until is None else {"$lte": until}
    for width in WIDTHS:
        start = (until or now) - width
        if start <= since:
            break
        yield {"$gte": start, **span}
        span = {"$lt": start}
    yield {"$gte": since, **span}


def paced(
    read: Callable[[dict[str, Any]], T],
    now: datetime,
    span: Mapping[str, datetime],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[T, datetime | None]]:
    """Yield what `read` finds in windows of a span, the latest first, and when each begins.

    The last one has no begin: nothing is left to be read.
    The span may have `since`, and `until` or `before`. As nobody knows how much happened, a window
    is as wide as the ones before it were quick to read.
    """
    since, width = span.get("since", LONG_AGO), WIDTHS[0]
    # Without a moment to stop at, the first has no end: clocks differ.
    end: dict[str, datetime] = {}
    if "until" in span:
        end = {"$lte": span["until"]}
    elif "before" in span:
        end = {"$lt": span["before"]}
    start = next(iter(end.values()), now)
    while True:
        start = start - width if start - since > width else since
        began = clock()
        found = read({"$gte": start, **end})
        width = _next_width(width, clock() - began)
        end = {"$lt": start}
        if start <= since:
            yield found, None
            return
        yield found, start


def _next_width(width: timedelta, seconds: float) -> timedelta:
    if seconds > SLOW_SECONDS:
        return width / 2
    return width * 10 if seconds < QUICK_SECONDS else width
