"""What one worker cannot work on is left out for a while, and tried again then."""

import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K")

# Another release, or a worker with other time zones, may do it meanwhile; and it may not be the
# fault of what failed.
LEFT_OUT_SECONDS = 60.0


class LeftOut(Generic[K]):
    """Keys, each for so long: nothing is written, so that no due time is lost."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until: dict[K, float] = {}

    def add(self, keys: Iterable[K]) -> None:
        """Leave these out from now on."""
        until = self._monotonic() + LEFT_OUT_SECONDS
        self._until |= dict.fromkeys(keys, until)

    def now(self) -> frozenset[K]:
        """Return what is left out at this moment."""
        moment = self._monotonic()
        self._until = {key: until for key, until in self._until.items() if until > moment}
        return frozenset(self._until)
