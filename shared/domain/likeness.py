"""What a mistyped name may mean."""

import difflib
from collections.abc import Iterable

NEAR_SHOWN = 3
TEXT_SHOWN = 80


def find_near(text: str, names: Iterable[str]) -> list[str]:
    """Return the names that look most like a text: in another case, longer, or misspelt."""
    names, folded = set(names), text.casefold()
    alike = [name for name in names if folded and folded in name.casefold()]
    alike.sort(key=lambda name: (not name.casefold().startswith(folded), name))
    if not alike:
        alike = difflib.get_close_matches(text, names, n=NEAR_SHOWN)
    return [name[:TEXT_SHOWN] for name in alike[:NEAR_SHOWN]]


def tell_near(text: str, names: Iterable[str]) -> str:
    """Return a sentence that names them, after a space; empty if there are none."""
    near = find_near(text, names)
    return f" Near it: {', '.join(near)}." if near else ""
