"""The socket's words: text to values and back, with no socket, clock or database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

HEARTBEAT: Final = b"heartbeat"
HEARTBEAT_CONFIRM: Final = b"heartbeat confirm"
RECEIVE_RESULT: Final = b"receive result"


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer of a module that sends no heartbeats to the platform's question."""


@dataclass(frozen=True, slots=True)
class Ack:
    """The module has received a piece of work."""

    id: str


@dataclass(frozen=True, slots=True)
class Bye:
    """The module leaves on purpose, and may say why and when it will be back."""

    reason: str
    back_by: str


@dataclass(frozen=True, slots=True)
class Report:
    """Any other JSON object: a result, or something that the module wants to tell."""

    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Invalid:
    """What is not a JSON object; `problem` is the sentence for its sender."""

    problem: str


Frame = Pong | Ack | Bye | Report | Invalid


def parse(data: bytes) -> Frame:
    """Return what a text frame says that is no heartbeat."""
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError:
        return Invalid("The frame is neither the text 'heartbeat' nor JSON.")
    if not isinstance(content, dict):
        return Invalid("The frame is JSON, but not an object.")
    kind = content.get("type")
    if kind == "pong":
        return Pong()
    if kind == "ack":
        return Ack(str(content.get("id", "")))
    if kind == "bye":
        return Bye(_text(content.get("reason"))[:200], _text(content.get("back_by"))[:40])
    return Report(content)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def encode_ping(now: datetime) -> bytes:
    """Return the question to a module that is silent."""
    return orjson.dumps({"type": "ping", "timestamp": now.isoformat()})


def encode_error(problem: str) -> bytes:
    """Return the answer to a frame that says nothing."""
    return orjson.dumps({"status": "error", "code": "3002", "message": problem})
