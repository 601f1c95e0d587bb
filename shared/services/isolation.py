"""One bad document must not stop the others: what fails together is tried in halves."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from shared.store.errors import is_away

T = TypeVar("T")

log = logging.getLogger(__name__)


def isolate(
    work: Callable[[Sequence[T]], object], items: Sequence[T], name: Callable[[T], object]
) -> list[T]:
    """Work on all items at once; return those that fail alone, which are logged by these names.

    The work must be one that may be repeated. Raises what is no item's fault: a database that is
    away.
    """
    try:
        if items:
            work(items)
    except Exception as error:
        if is_away(error):
            raise
        if len(items) == 1:
            log.exception("left out: it would stop all others", extra={"item": name(items[0])})
            return list(items)
        middle = len(items) // 2
        return isolate(work, items[:middle], name) + isolate(work, items[middle:], name)
    return []
