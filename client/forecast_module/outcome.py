"""How a job ended, and the frame that says so."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from forecast_module.job import RetryLater
from forecast_module.protocol import encode

SUCCESS, FAILURE, CANCELLED = "success", "failure", "cancelled"
ERROR_MAX_LENGTH = 500
TRACEBACK_MAX_BYTES = 2048
NOT_THE_AUTHORS = (__package__, "asyncio", "concurrent.futures")


@dataclass(frozen=True)
class Outcome:
    """A result, a failure with its reason, or the end of what was cancelled."""

    status: str
    result: Any = None
    error: str | None = None
    traceback: str | None = None
    retry_after: float | None = None
    started_at: float | None = None

    def encode(self, message_id: str) -> str:
        """Return the frame; raises ValueError or TypeError for what JSON cannot say."""
        said: dict[str, Any] = {"type": "result", "id": message_id, "status": self.status}
        if self.status == SUCCESS:
            said["result"] = self.result
        optional = {
            "error": self.error,
            "traceback": self.traceback,
            "retry_after_s": self.retry_after,
            "started_at": _iso(self.started_at),
        }
        said.update({key: value for key, value in optional.items() if value is not None})
        return encode(said)


def fail(problem: str, started_at: float | None = None) -> Outcome:
    """Return a failure with this sentence."""
    return Outcome(FAILURE, error=problem[:ERROR_MAX_LENGTH], started_at=started_at)


def fail_by(error: BaseException, started_at: float | None = None) -> Outcome:
    """Return the failure that an exception of a handler is."""
    if isinstance(error, RetryLater):
        problem, retry_after = str(error), max(0.0, float(error.after_seconds))
        where = None  # it did not break: it asks
    else:
        problem, retry_after = f"{type(error).__name__}: {error}".rstrip(": "), None
        where = shorten_traceback(error)
    return Outcome(
        FAILURE,
        error=problem[:ERROR_MAX_LENGTH],
        traceback=where,
        retry_after=retry_after,
        started_at=started_at,
    )


def shorten_traceback(error: BaseException) -> str:
    """Return the end of the traceback, from the author's first line on: where it broke."""
    below = error.__traceback__
    while below is not None and below.tb_frame.f_globals.get("__package__") in NOT_THE_AUTHORS:
        below = below.tb_next
    text = "".join(traceback.format_exception(type(error), error, below, limit=-8))
    data = text.encode("utf-8", "replace")
    if len(data) > TRACEBACK_MAX_BYTES:
        data = "…\n".encode() + data[4 - TRACEBACK_MAX_BYTES :]
    return data.decode("utf-8", "ignore")


def encode_within(message_id: str, outcome: Outcome, max_bytes: int) -> str:
    """Return the frame of an outcome; one that is too big becomes a failure that says so."""
    text = outcome.encode(message_id)
    size = len(text.encode("utf-8"))
    if size <= max_bytes:
        return text
    problem = (
        f"The result has {size} bytes, and a frame may have {max_bytes}: "
        "return less, or store it elsewhere and return where."
    )
    return fail(problem, outcome.started_at).encode(message_id)


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()
