"""Every time that the package keeps to, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """The defaults fit the platform's; tests scale them down."""

    heartbeat: float = 30.0  # between two heartbeats
    confirm: float = 60.0  # without a `heartbeat confirm` the connection is given up
    stored: float = 300.0  # without a `receive result` the connection is given up
    open: float = 15.0  # for a handshake or an HTTP answer
    leave: float = 5.0  # for the last results and the goodbye when the program ends
    longest_pause: float = 60.0  # between two attempts to connect or to register
    replaced_pause: float = 60.0  # before the first attempt after a newer session took over
    disabled_pause: float = 600.0  # before the next attempt of a disabled module
    busy: float = 300.0  # after which a running job is logged
    stale: float = 7200.0  # after which an interrupted job is not run again
    progress: float = 1.0  # between two progress frames of a job
