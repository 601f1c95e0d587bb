"""A steady clock that stands still until a test moves it."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Seconds, as time.monotonic returns them."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds
