"""Listings in the bytes that are sent; of each module only its place in them is kept."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO

import orjson

from api.http.envelope import frame_list
from shared.services.module_listing import Facets, ListedModule, to_item

_HEAD, _TAIL = frame_list()


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One module of a listing: where it stands in the body, what it is found by, and its digest."""

    facets: Facets
    start: int
    end: int
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class ListingText:
    """A listing's answer, its modules in the order of their numbers, and its weak ETag."""

    body: bytes
    entries: tuple[Entry, ...]
    etag: str

    def cut(self, entries: Iterable[Entry]) -> "ListingText":
        """Return the answer that lists only these of its modules."""
        writer = _Writer()
        for entry in entries:
            writer.add(self.body[entry.start : entry.end], entry.facets, entry.digest)
        return writer.finish()


def write_listing(modules: Iterable[ListedModule]) -> ListingText:
    """Write the answer that lists these modules, whatever order they come in."""
    writer = _Writer()
    for listed in modules:
        text, digest = _encode(listed)
        writer.add(text, listed.facets, digest)
    if writer.is_sorted():
        return writer.finish()
    unsorted = writer.finish()
    return unsorted.cut(sorted(unsorted.entries, key=lambda entry: entry.facets.module_id))


class _Writer:
    def __init__(self) -> None:
        self._body = BytesIO()
        self._body.write(_HEAD)
        self._entries: list[Entry] = []

    def add(self, text: bytes, facets: Facets, digest: bytes) -> None:
        if self._entries:
            self._body.write(b",")
        start = self._body.tell()
        self._body.write(text)
        self._entries.append(
            Entry(facets=facets, start=start, end=start + len(text), digest=digest)
        )

    def is_sorted(self) -> bool:
        numbers = [entry.facets.module_id for entry in self._entries]
        return numbers == sorted(numbers)

    def finish(self) -> ListingText:
        self._body.write(_TAIL)
        digest = hashlib.blake2b(b"".join(e.digest for e in self._entries), digest_size=16)
        return ListingText(
            body=self._body.getvalue(),  # not a copy, as long as nothing is written after it
            entries=tuple(self._entries),
            etag=f'W/"{digest.hexdigest()}"',
        )


def _encode(listed: ListedModule) -> tuple[bytes, bytes]:
    """Return what is said about a module, times included, and the digest of it."""
    text = orjson.dumps(to_item(listed), option=orjson.OPT_UTC_Z)
    return text, hashlib.blake2b(text, digest_size=16).digest()
