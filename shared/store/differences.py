"""What changes in a document: an update names only that, so that like changes are one update."""

from typing import Any

Document = dict[str, Any]


def differences(before: Document, after: Document, path: str = "") -> Document:
    """Return the new values, by their paths: within a list of documents, those of each document.

    What is gone becomes None.
    """
    found: Document = {}
    for key in before | after:
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        pairs = _pair(old, new)
        if not pairs:
            found[path + key] = new
        for number, (one, other) in enumerate(pairs):
            found |= differences(one, other, f"{path}{key}.{number}.")
    return found


def _pair(before: Any, after: Any) -> list[tuple[Document, Document]]:
    """Return the documents of two lists side by side; none if these are no such lists."""
    if not (isinstance(before, list) and isinstance(after, list) and len(before) == len(after)):
        return []
    pairs = list(zip(before, after, strict=True))
    return pairs if all(isinstance(one, dict) for pair in pairs for one in pair) else []
