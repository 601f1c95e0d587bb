"""The socket's words: text to values and back, with no socket, clock or database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from shared.domain.result import ResultStatus
from wsd.lenient_json import NANS_BECAME_NULL, NotJson, find_json, write_json

HEARTBEAT: Final = b"heartbeat"
HEARTBEAT_CONFIRM: Final = b"heartbeat confirm"
RECEIVE_RESULT: Final = b"receive result"

NOTE_MAX = 1000
ERROR_MAX = 10_000
FAILURES = frozenset({"failure", "failed", "error", "fail"})
ERROR_KEYS = ("error", "message", "error_message")
# What names the work, or says how it went: not a part of what an earlier client found out.
NAMING_KEYS = frozenset(
    {"type", "status", "id", "execution_id", "meta", "workflow_id", "workflow_name", "module_name"}
)


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer of a module that sends no heartbeats to the platform's question."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What a client says of itself in its first frame."""

    sdk: str
    acks: bool
    in_flight: int


@dataclass(frozen=True, slots=True)
class WorkName:
    """How a frame names its piece of work: by the message's id, or by that of the execution."""

    id: str = ""
    execution_id: str = ""

    def __bool__(self) -> bool:
        return bool(self.id or self.execution_id)

    def __str__(self) -> str:
        return self.id or self.execution_id


@dataclass(frozen=True, slots=True)
class Ack:
    """The module has received a piece of work."""

    work: WorkName


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the module got."""

    work: WorkName
    percent: float | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFrame:
    """How a piece of work ended; `content` is JSON text, None if the module gave none."""

    work: WorkName
    status: ResultStatus
    content: str | None = None
    error: str | None = None
    remark: str | None = None
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Bye:
    """The module leaves on purpose, and may say why and when it will be back."""

    reason: str
    back_by: str


@dataclass(frozen=True, slots=True)
class Report:
    """Any other JSON object: something that the module wants to tell.

    `text` is what it says, as JSON; empty if it names no work, for it is not kept then.
    """

    work: WorkName
    text: str = ""


@dataclass(frozen=True, slots=True)
class Invalid:
    """What is not a JSON object; `problem` is the sentence for its sender."""

    problem: str


WorkFrame = Hello | Ack | Progress | ResultFrame | Report
Frame = Pong | Bye | Invalid | WorkFrame


def parse(data: bytes) -> Frame:
    """Return what a text frame says that is no heartbeat."""
    try:
        content, remark = find_json(data)
    except NotJson:
        return Invalid("The frame is neither the text 'heartbeat' nor JSON.")
    if not isinstance(content, dict):
        return Invalid("The frame is JSON, but not an object.")
    try:
        return _read(content, remark)
    except NotJson as problem:  # it was read, and yet cannot be written again
        return Invalid(f"The {'result' if _is_result(content) else 'frame'} {problem}.")


def _read(content: Mapping[str, Any], remark: bool) -> Frame:
    """Return what an object says; raises NotJson."""
    kind = content.get("type")
    match kind:
        case "pong":
            return Pong()
        case "ack":
            return Ack(_work_of(content))
        case "bye":
            return Bye(_text(content.get("reason"))[:200], _text(content.get("back_by"))[:40])
        case "hello":
            return _read_hello(content)
        case "progress":
            note = _text(content.get("note"))[:NOTE_MAX]
            return Progress(_work_of(content), _number(content.get("percent")), note)
    if _is_result(content):
        return _read_result(content, remark)
    work = _work_of(content)
    return Report(work, write_json(content) if work else "")


def _is_result(content: Mapping[str, Any]) -> bool:
    return content.get("type") == "result" or "status" in content


def _read_hello(content: Mapping[str, Any]) -> Hello:
    in_flight = content.get("in_flight")
    return Hello(
        sdk=_text(content.get("sdk"))[:100],
        acks=content.get("acks") is True,
        in_flight=in_flight if isinstance(in_flight, int) else 1,
    )


def _read_result(content: Mapping[str, Any], remark: bool) -> ResultFrame:
    """Return a result; an earlier client that has no `result` gives all that it says besides."""
    status = _status_of(content.get("status"))
    error, error_key = None, ""
    if status is not ResultStatus.SUCCESS:
        error_key = next((key for key in ERROR_KEYS if content.get(key)), "")
        error = _sentence(content[error_key])[:ERROR_MAX] if error_key else None
    if "result" in content:
        found = content["result"]
    else:
        left_out = NAMING_KEYS | {error_key}
        found = {key: value for key, value in content.items() if key not in left_out} or None
    return ResultFrame(
        work=_work_of(content),
        status=status,
        content=None if found is None else write_json(found),
        error=error,
        remark=NANS_BECAME_NULL if remark else None,
        retry_after_seconds=_number(content.get("retry_after_s")),
    )


def _status_of(value: object) -> ResultStatus:
    if value in ("cancelled", "canceled"):
        return ResultStatus.CANCELLED
    is_failure = isinstance(value, str) and value in FAILURES
    return ResultStatus.FAILURE if is_failure else ResultStatus.SUCCESS


def _work_of(content: Mapping[str, Any]) -> WorkName:
    """Return what a frame names, at its top or in `meta`."""
    meta = content.get("meta")
    inner = meta if isinstance(meta, dict) else {}
    return WorkName(
        id=_id(content.get("id")) or _id(inner.get("id")),
        execution_id=_id(content.get("execution_id")) or _id(inner.get("execution_id")),
    )


def _id(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value)[:200]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _sentence(value: object) -> str:
    return value if isinstance(value, str) else write_json(value)


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e9 else None  # type: ignore[arg-type]


def encode_ping(now: datetime) -> bytes:
    """Return the question to a module that is silent."""
    return orjson.dumps({"type": "ping", "timestamp": now.isoformat()})


def encode_error(problem: str) -> bytes:
    """Return the answer to a frame that says nothing."""
    return orjson.dumps({"status": "error", "code": "3002", "message": problem})


def encode_work(message_id: str, attempt: int, content: str) -> bytes:
    """Return a piece of work; its content goes out exactly as it was given."""
    head = orjson.dumps({"id": message_id, "attempt": attempt})
    return b'%b,"message":%b}' % (head[:-1], content.encode())


def encode_cancel(message_id: str) -> bytes:
    """Return the wish that the module gives up a piece of work."""
    return orjson.dumps({"type": "cancel", "id": message_id})
