"""Long lists, cut into what one call should carry, and long answers."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import pymongo
from pymongo.collection import Collection
from pymongo.cursor import Cursor

T = TypeVar("T")

# The embedded server compares every document found with the whole list: 500 ids in one call take
# three times as long as in 20 calls of 25. A real MongoDB takes either at about the same speed.
IDS_PER_CALL = 25
ANSWER_SECONDS = 5.0


def chunks(items: Iterable[T], size: int = IDS_PER_CALL) -> Iterator[list[T]]:
    """Yield the items in lists of at most this size."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


def delete_some(
    collection: Collection[dict[str, Any]], query: Mapping[str, Any], limit: int
) -> int:
    """Delete so many of the documents that are found; return how many those were."""
    return delete_found(collection, collection.find(query, {"_id": 1}).limit(limit))


def delete_found(
    collection: Collection[dict[str, Any]], documents: Iterable[Mapping[str, Any]]
) -> int:
    """Delete these documents; return how many those were."""
    ids = [document["_id"] for document in documents]
    for part in chunks(ids):
        collection.delete_many({"_id": {"$in": part}})
    return len(ids)


def each(cursor: Cursor[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a cursor's documents; not all of them together have a time-out, but every answer."""
    while True:
        with pymongo.timeout(ANSWER_SECONDS):
            document = next(cursor, None)
        if document is None:
            return
        yield document
