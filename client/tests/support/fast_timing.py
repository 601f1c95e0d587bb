"""The times of the tests."""

from __future__ import annotations

from forecast_module import Timing

# Everything a hundred times faster than at a customer's.
FAST = Timing(
    heartbeat=0.05,
    confirm=2.0,
    stored=5.0,
    open=2.0,
    leave=2.0,
    longest_pause=0.1,
    replaced_pause=0.6,
    disabled_pause=0.8,
    busy=0.2,
    progress=0.0,
)
