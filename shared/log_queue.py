"""Log lines on their way out: no caller ever waits for the reader of the pipe.

Standard output is a pipe. While its reader stands still (supervisord stopped), a write to it would
hang, and with it an event loop and its heartbeats. Of the standard library only: gunicorn's master
loads this file, too, and must import nothing that its workers would inherit (gunicorn.conf.py).
"""

import logging
import os
import queue
import threading
import time

# Some ten thousand lines.
MAX_BYTES = 4 * 2**20
FLUSH_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 0.01


class QueuedHandler(logging.Handler):
    """Hands lines to a thread that writes them; drops and counts what does not fit in the queue.

    Each number is changed in one place only: what was put and dropped under the handler's lock,
    what was written and told by the writing thread.
    """

    def __init__(self, descriptor: int, *, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._max_bytes = max_bytes
        self._start_over()

    def _start_over(self) -> None:
        """Begin with an empty queue; after a fork the parent's lines and thread are not ours."""
        self._process = os.getpid()
        # Safe to put to inside a signal handler.
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._put_bytes = self._written_bytes = 0
        self._dropped = self._told = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line, or drop it."""
        try:
            self._put(self._encode(record))
        except Exception:  # noqa: BLE001 - as every handler of the standard library does
            self.handleError(record)

    def _encode(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode(errors="backslashreplace")

    def _put(self, line: bytes) -> None:
        if self._process != os.getpid():
            self._start_over()
        if self._put_bytes - self._written_bytes + len(line) > self._max_bytes:
            self._dropped += 1
            return
        self._put_bytes += len(line)
        self._lines.put(line)
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_lines, name="log", daemon=True)
            self._writer.start()

    def _write_lines(self) -> None:
        while True:
            line = self._lines.get()
            self._write(line)
            self._written_bytes += len(line)
            if self._dropped > self._told and self._lines.empty():
                self._tell_dropped()

    def _tell_dropped(self) -> None:
        count, self._told = self._dropped - self._told, self._dropped
        record = logging.LogRecord(
            "shared.log_queue", logging.WARNING, __file__, 0, "log lines were dropped", None, None
        )
        record.lines = count
        self._write(self._encode(record))

    def _write(self, line: bytes) -> None:
        """Write a whole line; not through a stream, whose lock would hang the process's exit."""
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError:
            return  # the reader is gone for good: there is no place to tell it

    def flush(self) -> None:
        """Wait until every line is written, but not for long."""
        if self._process != os.getpid():
            return
        deadline = time.monotonic() + FLUSH_SECONDS
        while self._written_bytes < self._put_bytes and time.monotonic() < deadline:
            time.sleep(LOOK_AGAIN_SECONDS)
