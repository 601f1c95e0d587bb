"""How long to wait between attempts: full jitter, so that a thousand modules do not come at once."""

from __future__ import annotations

import random

FIRST_SECONDS = 1.0


class Backoff:
    """The pauses of one row of failures; each may be longer than the one before."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self.failures = 0  # in a row

    def next_pause(self, at_least: float = 0.0) -> float:
        """Return the seconds to wait before the next attempt."""
        self.failures = min(self.failures + 1, 30)
        bound = min(self._longest, FIRST_SECONDS * 2**self.failures)
        return at_least + random.uniform(0, bound)  # noqa: S311 - spreads load, keeps no secret

    def reset(self) -> None:
        """Begin again with short pauses: an attempt succeeded."""
        self.failures = 0
