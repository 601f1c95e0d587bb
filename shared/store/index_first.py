"""Looks by an index first, and by everything else among what the index finds.

The embedded server scans a whole collection when a filter says more than an index knows, or has a
list of values for the index's first field. A real MongoDB makes one filter of both again.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pymongo.collection import Collection

Document = dict[str, Any]


def find_by_index(
    collection: Collection[Document],
    by_index: Mapping[str, Any],
    besides: Mapping[str, Any],
    *,
    fields: Mapping[str, int] | None = None,
    limit: int = 0,
) -> Iterator[Document]:
    """Yield the documents that both filters find; the first has the fields of one index."""
    stages: list[dict[str, Any]] = [{"$match": dict(by_index)}, {"$match": dict(besides)}]
    stages += [{"$limit": limit}] if limit else []
    stages += [{"$project": dict(fields)}] if fields else []
    yield from collection.aggregate(stages)
