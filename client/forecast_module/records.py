"""What is remembered of one message, and its file."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

WORKING, PENDING, CONFIRMED = "working", "pending", "confirmed"
SUFFIX = ".json"


@dataclass
class Record:
    """A message from its arrival (working) to its result (pending) and the platform's receipt."""

    id: str
    attempt: int
    state: str
    at: float
    starts: int = 1
    message: Any = None  # while it is worked on
    frame: str | None = None  # the result
    status: str = ""
    size: int = 0

    def encode(self) -> bytes:
        """Return the file's content."""
        # Not by `asdict`: it copies the message, and a deep one is too much for that.
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return json.dumps(said).encode()

    @classmethod
    def decode(cls, data: bytes) -> Record:
        """Read a file's content; raises ValueError, KeyError or TypeError."""
        found = json.loads(data)
        known = {field.name for field in fields(cls)}  # a later version may say more
        record = cls(**{key: value for key, value in found.items() if key in known})
        if record.state not in (WORKING, PENDING, CONFIRMED) or not isinstance(record.id, str):
            raise ValueError("no such state")
        if record.state != WORKING and not isinstance(record.frame, str):
            raise ValueError("a result without its frame")
        record.at = min(float(record.at), time.time())
        return record


def file_of(directory: Path, message_id: str) -> Path:
    """Return a message's file: senders may choose ids that are no file names."""
    return directory / (hashlib.sha256(message_id.encode("utf-8", "replace")).hexdigest() + SUFFIX)


def write_file(path: Path, data: bytes, *, is_durable: bool) -> None:
    """Replace a file at once: it holds the old bytes or the new ones, after a power cut, too."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(name, path)  # noqa: PTH105
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if is_durable:
        _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        return  # not on Windows
    descriptor = os.open(directory, os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
