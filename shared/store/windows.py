"""The newest documents first, read in windows of time that grow.

The embedded server reads everything that matches before it sorts and limits; within a window of an
index it reads little. A real MongoDB is served as well: each window is a range of the same index.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

from shared.store.lenient import LONG_AGO

T = TypeVar("T")

WIDTHS = tuple(timedelta(minutes=10**power) for power in range(6))


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
