"""The socket's words: texts to values and back."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Union

HEARTBEAT = "heartbeat"
HEARTBEAT_CONFIRM = "heartbeat confirm"
RECEIVE_RESULT = "receive result"
PONG = '{"type":"pong"}'
NOTE_MAX_LENGTH = 200

_find_head = re.compile(
    r'\s*\{"id":("(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])*"),"attempt":(\d{1,9}),"message":'
).match


@dataclass(frozen=True)
class Confirmed:
    """The platform has heard a heartbeat."""


@dataclass(frozen=True)
class Stored:
    """The platform has stored a result."""


@dataclass(frozen=True)
class Ping:
    """The platform asks whether the program still works."""


@dataclass(frozen=True)
class Work:
    """A piece of work; `message` is what its sender gave, unless a `problem` says why it is lost."""

    id: str
    attempt: int
    message: Any
    problem: str | None = None


@dataclass(frozen=True)
class Cancel:
    """The work of this id is not wanted any more."""

    id: str


@dataclass(frozen=True)
class Refused:
    """The platform does not take a frame: `problem` says why, `id` of which work, if known."""

    problem: str
    id: str | None


@dataclass(frozen=True)
class Unknown:
    """What a later platform may say."""

    text: str


Frame = Union[Confirmed, Stored, Ping, Work, Cancel, Refused, Unknown]


def parse(text: str) -> Frame:
    """Return what the platform says."""
    if text == HEARTBEAT_CONFIRM:
        return Confirmed()
    if text == RECEIVE_RESULT:
        return Stored()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        return _parse_unreadable(text, error)
    if not isinstance(content, dict):
        return Unknown(text)
    return _parse_object(content, text)


def _parse_unreadable(text: str, error: Exception) -> Frame:
    """Return work by its head alone: its sender shall hear that Python cannot read the rest."""
    head = _find_head(text)
    if head is None:
        return Unknown(text)
    problem = f"The message cannot be read: {type(error).__name__}: {error}"
    return Work(json.loads(head[1]), int(head[2]), None, problem)


def _parse_object(content: dict[str, Any], text: str) -> Frame:
    kind, message_id = content.get("type"), content.get("id")
    if not isinstance(message_id, (str, int)):
        message_id = None
    if kind == "ping":
        return Ping()
    if kind == "cancel" and message_id is not None:
        return Cancel(str(message_id))
    if "message" in content and message_id is not None and "status" not in content:
        return Work(str(message_id), _number(content.get("attempt")), content["message"])
    if content.get("status") == "error":
        problem = content.get("message")
        if not isinstance(problem, str) or not problem:
            problem = "The platform refused a frame."
        return Refused(problem, str(message_id) if message_id is not None else None)
    return Unknown(text)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 1


def encode(content: Any) -> str:
    """Return a frame's text: strict JSON that UTF-8 can carry."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair becomes ?


def hello(version: str, in_flight: int) -> str:
    """Return the first frame: what this program can."""
    sdk = f"forecast_module/{version}"
    return encode({"type": "hello", "sdk": sdk, "acks": True, "in_flight": in_flight})


def ack(message_id: str) -> str:
    """Return the acknowledgement of a piece of work."""
    return encode({"type": "ack", "id": message_id})


def progress(message_id: str, percent: float, note: str) -> str:
    """Return how far a job is."""
    said = {"type": "progress", "id": message_id, "percent": percent, "note": note}
    return encode(said)


def bye(reason: str, back_by: str | None) -> str:
    """Return the goodbye."""
    return encode({"type": "bye", "reason": reason, **({"back_by": back_by} if back_by else {})})
