"""Lines of all the logs in one form, whichever program wrote them."""

import json
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

OUR_FIELDS = ("timestamp", "event", "level", "program", "logger", "process")
# supervisord, the watchdog and the embedded database write local times, nginx does with slashes.
PLAIN = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)[ T](\d\d:\d\d:\d\d)(?:[.,](\d{1,6}))?"
    r"(?: \[(?P<nginx>\w+)\]| (?P<upper>[A-Z]{4,8})\b)? (?P<event>.*)"
)
LEVELS = {"warn": "warning", "crit": "critical", "trac": "debug", "blat": "debug"}
MONGOD_LEVELS = {"F": "critical", "E": "error", "W": "warning", "I": "info"}


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line: when, which program, how serious, the sentence, and what else it says."""

    at: datetime
    program: str
    level: str
    event: str
    fields: dict[str, Any] = field(default_factory=dict)


def parse(text: str, program: str, before: LogLine | None) -> LogLine:
    """Read one line; one without a time belongs to the line before."""
    document = _read_json(text)
    if document:
        try:
            return _from_json(document, program)
        except (KeyError, TypeError, ValueError):
            pass  # the lines below take it as it stands
    if found := PLAIN.fullmatch(text):
        return _from_plain(found, program)
    if before is not None:
        return replace(before, event=text, fields={})
    return LogLine(at=datetime.fromtimestamp(0, UTC), program=program, level="", event=text)


def _read_json(text: str) -> dict[str, Any]:
    if not text.startswith("{"):
        return {}
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _from_json(document: dict[str, Any], program: str) -> LogLine:
    if "t" in document and "msg" in document:
        return LogLine(
            at=_read_time(document["t"]["$date"]),
            program=program,
            level=MONGOD_LEVELS.get(document.get("s", ""), "debug"),
            event=str(document["msg"]),
            fields=dict(document.get("attr", {})),
        )
    if "event" in document:
        fields = {name: value for name, value in document.items() if name not in OUR_FIELDS}
        event, level = str(document["event"]), str(document.get("level", ""))
    else:
        said = ("timestamp", "method", "path", "status")
        fields = {name: value for name, value in document.items() if name not in said}
        event, level = " ".join(str(document[name]) for name in said[1:]), "info"
    at = _read_time(document["timestamp"])
    return LogLine(at=at, program=program, level=level, event=event, fields=fields)


def _from_plain(found: re.Match[str], program: str) -> LogLine:
    year, month, day, clock, fraction = found.groups()[:5]
    at = datetime.fromisoformat(f"{year}-{month}-{day}T{clock}.{(fraction or '0'):0<6}")
    word = (found["nginx"] or found["upper"] or "").lower()
    return LogLine(
        at=at.astimezone(UTC), program=program, level=LEVELS.get(word, word), event=found["event"]
    )


def _read_time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
