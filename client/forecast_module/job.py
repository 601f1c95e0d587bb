"""One piece of work, as a handler sees it."""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime
from typing import Any, Callable

from forecast_module.protocol import NOTE_MAX_LENGTH, Work

Report = Callable[["Job", float, str], None]


class Cancelled(Exception):
    """Raised by a handler that stops because `job.cancelled`."""


class RetryLater(Exception):
    """Raised by a handler that cannot succeed now: a workflow tries its step again later."""

    def __init__(self, problem: str, after_seconds: float) -> None:
        super().__init__(problem)
        self.after_seconds = after_seconds


class CancelFlag:
    """True once the work is not wanted any more; remembers whether the handler looked."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.was_seen = False

    def set(self) -> None:
        """Take the work back."""
        self._event.set()

    def peek(self) -> bool:
        """Return whether it is set, without counting as the handler's look."""
        return self._event.is_set()

    def is_set(self) -> bool:
        """Return whether the work is not wanted any more."""
        return self._look(self._event.is_set())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most so many seconds; return whether it is."""
        return self._look(self._event.wait(timeout))

    def __bool__(self) -> bool:
        return self.is_set()

    def _look(self, is_set: bool) -> bool:
        self.was_seen = self.was_seen or is_set
        return is_set


class Job:
    """What a handler is given; `message` is what the sender gave, `args` what it asks for."""

    def __init__(self, work: Work, report: Report | None = None) -> None:
        self.id = work.id
        self.attempt = work.attempt
        self.message = work.message
        self.cancelled = CancelFlag()
        self.received_at = time.time()
        self.started_at: float | None = None
        self.reported_at = float("-inf")
        self._report = report
        self._content = _read_content(work.message)

    @property
    def is_execution(self) -> bool:
        """Return whether a workflow asks; else a person or a program sent a message."""
        return self._content.get("type") == "execute"

    @property
    def args(self) -> dict[str, Any]:
        """Return the step's args; of a message that is a JSON object, the object itself."""
        return _dict(self._content.get("args")) if self.is_execution else self._content

    @property
    def meta(self) -> dict[str, Any]:
        """Return what the platform says about the execution; {} of a message."""
        return _dict(self._content.get("meta"))

    @property
    def windows(self) -> dict[str, Any]:
        """Return the begin and end of the data that each requirement means."""
        return _dict(self.meta.get("windows"))

    @property
    def inputs(self) -> dict[str, Any]:
        """Return the results of the steps that this one comes after, by step."""
        return _dict(self.meta.get("inputs"))

    @property
    def try_number(self) -> int:
        """Return which try of its step this is, from 1; `attempt` counts deliveries of one."""
        number = self.meta.get("try")
        return number if isinstance(number, int) else 1

    @property
    def execution_id(self) -> str | None:
        """Return the execution's id; None of a message."""
        return _text(self.meta.get("execution_id"))

    @property
    def workflow_name(self) -> str | None:
        """Return the workflow's name; None of a message."""
        return _text(self.meta.get("workflow_name"))

    @property
    def execution_time(self) -> datetime | None:
        """Return the time that the forecast is for, on the clocks of the workflow's zone."""
        return _time(self.meta.get("execution_time"))

    @property
    def due_at(self) -> datetime | None:
        """Return the same moment with its zone (UTC); None of a message."""
        return _time(self.meta.get("due_at"))

    def progress(self, percent: float, note: str = "") -> None:
        """Tell how far the job is; cheap, and lost while there is no connection."""
        if self._report is not None:
            bounded = min(max(float(percent), 0.0), 100.0)
            self._report(self, bounded, str(note)[:NOTE_MAX_LENGTH])


def _read_content(message: Any) -> dict[str, Any]:
    """Return the object that a message is, or that its text holds; {} if neither."""
    if isinstance(message, str):
        try:
            message = json.loads(message)
        except (ValueError, RecursionError):
            return {}
    return _dict(message)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
