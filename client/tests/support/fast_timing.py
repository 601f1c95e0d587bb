"""The times of the tests."""

from __future__ import annotations

from forecast_module import Timing

# Everything a hundred times faster than at a customer's.
FAST = Timing(
    heartbeat=0.05,
    confirm=15.0,
    stored=30.0,
    open=10.0,
    leave=5.0,
    longest_pause=0.1,
    replaced_pause=0.6,
    disabled_pause=0.8,
    busy=0.2,
    progress=0.0,
)
