"""SIGTERM and SIGINT, while a module runs."""

from __future__ import annotations

import logging
import signal
import threading
import time
from types import FrameType
from typing import Any

log = logging.getLogger("forecast_module")


class StopSignals:
    """Counts the signals that ask the program to end; the handlers before come back at exit."""

    def __init__(self) -> None:
        self.first: str | None = None
        self.count = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _take(self, number: int, _: FrameType | None) -> None:
        self.count += 1
        self.first = self.first or signal.Signals(number).name

    def wait(self, seconds: float) -> bool:
        """Wait a while; return whether a signal came.

        No Event: a signal that comes inside its `wait` would find its lock taken, by itself.
        """
        if not self.count:
            time.sleep(seconds)
        return self.count > 0
