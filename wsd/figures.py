"""The figures that `/statz` shows."""

from dataclasses import dataclass


@dataclass
class HubFigures:
    """Counts and durations since the process started; rates are of the last interval."""

    frames: int = 0
    frames_per_second: float = 0.0
    admitted: int = 0
    closed: int = 0
    loop_lag_seconds: float = 0.0
    freezes: int = 0
    flush_size: int = 0
    flush_seconds: float = 0.0
