"""Long lists of ids, cut into what one call should carry."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

# The embedded server compares every document found with the whole list: 500 ids in one call take
# three times as long as in ten calls of 50. A real MongoDB takes either at about the same speed.
IDS_PER_CALL = 50


def chunks(items: Iterable[T], size: int = IDS_PER_CALL) -> Iterator[list[T]]:
    """Yield the items in lists of at most this size."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part
