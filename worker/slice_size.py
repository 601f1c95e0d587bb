"""How much one step takes on: less after it failed, so that a slow database is not starved."""

from collections.abc import Iterator
from contextlib import contextmanager


class SliceSize:
    """Halved when a step fails, doubled again while steps succeed."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self.now = largest

    @contextmanager
    def trying(self) -> Iterator[int]:
        """Give the size for one step, and learn from how it ends."""
        try:
            yield self.now
        except Exception:
            self.now = max(1, self.now // 2)
            raise
        self.now = min(self._largest, self.now * 2)
