"""What changes in a document: an update names only that, so that like changes are one update."""

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]


def differences(before: Document, after: Document, path: str = "") -> dict[str, Any]:
    """Return the new values, by their paths: within a list of documents, those of each document.

    Nothing is told of keys that are gone.
    """
    found: dict[str, Any] = {}
    for key, value in after.items():
        if key in before and before[key] == value:
            continue
        pairs = _pair(before.get(key), value)
        if not pairs:
            found[path + key] = value
        for number, (one, other) in enumerate(pairs):
            found |= differences(one, other, f"{path}{key}.{number}.")
    return found


def _pair(before: Any, after: Any) -> list[tuple[Document, Document]]:
    """Return the documents of two lists side by side; none unless they have the same form."""
    if not (isinstance(before, list) and isinstance(after, list) and len(before) == len(after)):
        return []
    pairs = list(zip(before, after, strict=True))
    return pairs if all(_have_same_keys(*pair) for pair in pairs) else []


def _have_same_keys(one: Any, other: Any) -> bool:
    return isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys()
