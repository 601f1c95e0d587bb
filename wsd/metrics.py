"""The numbers that `/statz` shows."""

from dataclasses import dataclass


@dataclass
class Metrics:
    """Counts and durations since the process started; rates are of the last interval."""

    frames: int = 0
    frames_per_second: float = 0.0
    sessions_started: int = 0
    sessions_ended: int = 0
    loop_lag_seconds: float = 0.0
    freezes: int = 0
    flush_size: int = 0
    flush_seconds: float = 0.0
    batch_size: int = 0
    batch_limit: int = 0
    batch_seconds: float = 0.0
