"""Reading what another release wrote: two of them run side by side during a deploy."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Generic, TypeVar

T = TypeVar("T")

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
# Each process logs a document once, and no more than this many documents.
DOCUMENTS_TOLD_OF = 1000

log = logging.getLogger(__name__)
_told_of: set[tuple[str, Any]] = set()


@dataclass(frozen=True, kw_only=True)
class Form(Generic[T]):
    """How the documents of a collection are read, and what stands in for what cannot be read.

    `parse` raises KeyError, TypeError or ValueError. A fallback that is a member of an enumeration
    stands in for unknown members, too, a number or a date for what is none; one that is a mapping holds the fallbacks of a part (None
    when all of it is missing).
    """

    collection: str
    parse: Callable[[Mapping[str, Any]], T]
    fallbacks: Mapping[str, Any]

    def read(self, document: Mapping[str, Any]) -> T | None:
        """Return what a document says; None when even the fallbacks do not help."""
        try:
            return self.parse(document)
        except (KeyError, TypeError, ValueError) as error:
            self._tell(document.get("_id"), error)
        try:
            return self.parse(_mend(document, self.fallbacks))
        except (KeyError, TypeError, ValueError):
            return None

    def read_all(self, documents: Iterable[Mapping[str, Any]]) -> Iterator[T]:
        """Yield what those documents say that can be read."""
        for document in documents:
            if (value := self.read(document)) is not None:
                yield value

    def _tell(self, document_id: Any, error: Exception) -> None:
        key = (self.collection, str(document_id))
        if key in _told_of or len(_told_of) >= DOCUMENTS_TOLD_OF:
            return
        _told_of.add(key)
        fields = {"collection": self.collection, "id": key[1], "problem": repr(error)}
        log.warning("a document has the form of another release", extra=fields)


def a_number(value: Any) -> Any:
    """Return what must be a number: another type would break only where it is compared."""
    if not isinstance(value, int | float):
        raise TypeError(f"not a number: {value!r}")
    return value


def a_date(value: Any) -> Any:
    """Return what must be a date."""
    if not isinstance(value, datetime):
        raise TypeError(f"not a date: {value!r}")
    return value


def _mend(document: Mapping[str, Any], fallbacks: Mapping[str, Any]) -> dict[str, Any]:
    mended = dict(document)
    for key, fallback in fallbacks.items():
        value = mended.get(key)
        if isinstance(fallback, Mapping):
            missing: dict[str, Any] | None = None if fallback else {}
            mended[key] = _mend(value, fallback) if isinstance(value, Mapping) else missing
        elif isinstance(fallback, Enum):
            known = {member.value for member in type(fallback)}
            mended[key] = value if isinstance(value, str) and value in known else fallback.value
        elif isinstance(fallback, int | float):
            mended[key] = value if isinstance(value, int | float) else fallback
        elif isinstance(fallback, datetime):
            mended[key] = value if isinstance(value, datetime) else fallback
        else:
            mended.setdefault(key, fallback)
    return mended
