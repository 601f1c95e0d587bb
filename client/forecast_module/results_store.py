"""Messages and their results on disk: a result is kept until the platform has stored it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Container
from pathlib import Path

from forecast_module.outcome import Outcome, encode_within, fail
from forecast_module.protocol import Work
from forecast_module.records import (
    CONFIRMED,
    PENDING,
    SUFFIX,
    WORKING,
    Record,
    file_of,
    write_file,
)

MOST_RECORDS = 2000
MOST_BYTES = 32 * 1024 * 1024
OLDEST_SECONDS = 7 * 24 * 3600.0
CORRUPTED = ".corrupted"
MOST_CORRUPTED = 20

log = logging.getLogger("forecast_module")


class ResultsStore:
    """What became of each message; every method may be called from any thread.

    A directory that cannot be written costs a log line, and the results live in memory only.
    """

    def __init__(self, directory: Path, *, max_frame_bytes: int) -> None:
        self._directory = directory
        self._max_frame_bytes = max_frame_bytes
        self._lock = threading.RLock()
        self._records: dict[str, Record] = {}
        self._pending: dict[str, None] = {}  # in the order in which they are sent
        self._is_writable = True
        self._load()

    def find(self, message_id: str) -> Record | None:
        """Return what is known of a message."""
        with self._lock:
            return self._records.get(message_id)

    def unfinished(self) -> list[Record]:
        """Return what was worked on when the program ended, oldest first."""
        with self._lock:
            found = [record for record in self._records.values() if record.state == WORKING]
            return sorted(found, key=lambda record: record.at)

    def begin(self, work: Work, starts: int = 1) -> None:
        """Remember a message before it is acknowledged."""
        record = Record(work.id, work.attempt, WORKING, time.time(), starts, work.message)
        with self._lock:
            self._pending.pop(work.id, None)
            self._put(record)
            self._make_room()

    def finish(self, message_id: str, outcome: Outcome) -> None:
        """Keep the result of a message until the platform has it."""
        text = encode_within(message_id, outcome, self._max_frame_bytes)
        with self._lock:
            known = self._records.get(message_id)
            attempt = known.attempt if known else 1
            record = Record(message_id, attempt, PENDING, time.time(), frame=text)
            record.status = outcome.status
            self._put(record)
            self._pending[message_id] = None

    def next_pending(self, under_way: Container[str] = ()) -> tuple[str, str] | None:
        """Return the id and the frame of the result that is to be sent next."""
        with self._lock:
            message_id = next((one for one in self._pending if one not in under_way), None)
            if message_id is None:
                return None
            return message_id, self._records[message_id].frame or ""

    def send_again(self, message_id: str) -> None:
        """Have a known result sent once more."""
        with self._lock:
            self._pending[message_id] = None

    def confirm(self, message_id: str) -> None:
        """Note that the platform has stored a result; it is kept to answer duplicates."""
        with self._lock:
            self._pending.pop(message_id, None)
            record = self._records.get(message_id)
            if record is not None and record.state == PENDING:
                record.state = CONFIRMED
                self._put(record)

    def refuse(self, message_id: str, problem: str) -> None:
        """Put a failure in the place of a result that the platform does not take."""
        with self._lock:
            record = self._records.get(message_id)
            if record is None or record.status == "refused":
                log.error("The platform takes no result of %s: %s", message_id, problem)
                self.confirm(message_id)
                return
            log.error("The platform refused the result of %s: %s", message_id, problem)
            self.finish(message_id, fail(f"The platform refused the result: {problem}"))
            self._records[message_id].status = "refused"

    def _put(self, record: Record) -> None:
        self._records.pop(record.id, None)  # the youngest stands last
        self._records[record.id] = record
        data = record.encode()
        record.size = len(data)
        try:
            path = file_of(self._directory, record.id)
            # Only a result cannot be had again.
            write_file(path, data, is_durable=record.state == PENDING)
        except OSError as error:
            if self._is_writable:
                log.error("Results cannot be kept on disk, only in memory: %s", error)
            self._is_writable = False
        else:
            self._is_writable = True

    def _make_room(self) -> None:
        """Forget what is too old or too much: results that the platform has before any other."""
        total = sum(record.size for record in self._records.values())
        oldest_at = time.time() - OLDEST_SECONDS
        by_worth = sorted(self._records.values(), key=lambda r: (r.state != CONFIRMED, r.at))
        for record in [r for r in by_worth if r.state != WORKING]:
            is_full = len(self._records) > MOST_RECORDS or total > MOST_BYTES
            if not is_full and record.at > oldest_at:
                continue
            if record.state == PENDING:
                log.error("The result of %s was never stored and is given up", record.id)
            total -= record.size
            self._forget(record)

    def _forget(self, record: Record) -> None:
        self._records.pop(record.id, None)
        self._pending.pop(record.id, None)
        try:
            file_of(self._directory, record.id).unlink(missing_ok=True)
        except OSError as error:
            log.warning("A file of an old result stays: %s", error)

    def _load(self) -> None:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            paths = sorted(self._directory.glob(f"*{SUFFIX}"))
        except OSError as error:
            log.error("Results of earlier runs cannot be read: %s", error)
            return
        loaded = [record for record in map(self._read, paths) if record is not None]
        for record in sorted(loaded, key=lambda record: record.at):
            self._records[record.id] = record
            if record.state == PENDING:
                self._pending[record.id] = None
        self._make_room()
        self._tidy()
        if self._pending:
            log.info("%d results of earlier runs are sent now", len(self._pending))

    def _read(self, path: Path) -> Record | None:
        try:
            data = path.read_bytes()
            record = Record.decode(data)
        except OSError as error:
            log.error("The file %s cannot be read: %s", path, error)
            return None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            aside = path.with_suffix(CORRUPTED)
            log.error("The file %s is damaged; it is set aside as %s", path, aside.name)
            path.replace(aside)
            return None
        record.size = len(data)
        return record

    def _tidy(self) -> None:
        """Remove what a killed program left half written, and old damaged files."""
        for path in self._directory.glob(".*.tmp"):
            path.unlink(missing_ok=True)
        damaged = sorted(self._directory.glob(f"*{CORRUPTED}"), key=lambda p: p.stat().st_mtime)
        for path in damaged[:-MOST_CORRUPTED]:
            path.unlink(missing_ok=True)
