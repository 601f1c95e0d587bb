"""How gunicorn serves the HTTP API; read again at every HUP (`./manage.sh deploy`).

The master must never import what the application imports: new workers would inherit the old code.
So the settings come from a process of their own, and what we change in gunicorn stands here.
"""

import json
import logging
import os
import runpy
import subprocess
import sys
import time
from datetime import UTC, datetime

from gunicorn.glogging import Logger
from gunicorn.http.errors import InvalidRequestLine, LimitRequestHeaders, ParseException
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import ThreadWorker

# What nginx lets through, and has complete before it calls us: reading the rest takes no time.
BODY_BYTES = 16 * 2**20
DRAIN_SECONDS = 5.0
UNENCODED = "The address may hold printable ASCII only: encode the rest (curl -G --data-urlencode)."


# Run, not imported: the workers import this code anew.
QueuedHandler = runpy.run_path("shared/log_queue.py")["QueuedHandler"]


def read_settings():
    """Return every setting by its name; a wrong one ends us with its sentence on stderr."""
    command = [sys.executable, "-m", "cli.main", "config", "show", "--json"]
    shown = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    if shown.returncode:
        sys.exit(1)
    return json.loads(shown.stdout)


def describe(error):
    """Return status line, code and sentence for what gunicorn could not take."""
    if not isinstance(error, ParseException):
        return "500 Internal Server Error", "3001", "Internal error."
    if isinstance(error, LimitRequestHeaders):
        return "431 Request Header Fields Too Large", "3002", "Too many headers."
    if isinstance(error, InvalidRequestLine):
        return "400 Bad Request", "3002", UNENCODED
    return "400 Bad Request", "3002", "The request is not valid HTTP."


class EnvelopeWorker(ThreadWorker):
    """gthread, with two differences.

    What never reaches the application is refused with the envelope, not HTML; and a worker counts
    as alive while its threads work, not while the loop does that hands them requests.
    """

    probe = None
    worked_at = 0.0

    def notify(self):
        """Tell the master that we live, unless no thread has ended anything for a while.

        The master kills a worker that says nothing for the whole time-out; ours is half of it.
        """
        if self.probe is None or self.probe.done():
            self.worked_at = time.monotonic()
            self.probe = self.tpool.submit(int)
        if time.monotonic() - self.worked_at < self.timeout:
            super().notify()

    def handle_request(self, req, conn):
        """Serve a request, and read what the application left of its body.

        A connection closed over unread bytes is reset: nginx would lose the answer and say 502.
        """
        keep = super().handle_request(req, conn)
        self.worked_at = time.monotonic()
        deadline = time.monotonic() + DRAIN_SECONDS
        return conn.parser.finish_body(deadline=deadline, max_bytes=BODY_BYTES) and keep

    def handle_error(self, req, client, addr, exc):
        """Answer a request that cannot be read, or an error outside the application."""
        status, code, message = describe(exc)
        if isinstance(exc, ParseException):
            self.log.warning("Refused a request: %s", type(exc).__name__)
        else:
            self.log.error("Error outside the application", exc_info=exc)
        body = json.dumps({"code": code, "message": message, "result": None})
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
        try:
            write_nonblock(client, f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        except OSError:
            self.log.debug("The client was gone before its refusal")


STANDARD_FIELDS = {*vars(logging.makeLogRecord({})), "message", "taskName"}


class JsonLines(logging.Formatter):
    """The form of the application's own log (shared/logs.py), without its library."""

    def format(self, record):
        """Return one line."""
        line = {"event": record.getMessage(), "level": record.levelname.lower()}
        line["timestamp"] = datetime.fromtimestamp(record.created, UTC).isoformat()
        line |= {"logger": record.name, "process": record.process, "program": "api"}
        line |= {name: value for name, value in vars(record).items() if name not in STANDARD_FIELDS}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class PlatformLogger(Logger):
    """Writes gunicorn's own lines in the form of the application's log."""

    queued = None

    def setup(self, cfg):
        """Send the error log's lines, in that form, where no caller waits for their reader."""
        super().setup(cfg)
        if self.queued is None:  # a reload calls this again
            self.queued = QueuedHandler(sys.stderr.fileno())
            self.queued.setFormatter(JsonLines())
        self.error_log.handlers[:] = [self.queued]


_settings = read_settings()
_shared_memory = "/dev/shm"  # noqa: S108

bind = f"127.0.0.1:{_settings['API_PORT']}"
backlog = 4096
worker_class = EnvelopeWorker
workers = int(_settings["API_WORKERS"])
threads = int(_settings["API_THREADS"])

# No request of ours takes that long: the database is waited for two seconds at most.
timeout = 20
graceful_timeout = 5
# Longer than nginx keeps an idle connection to us (nginx.conf: keepalive_timeout of the upstream):
# the side that closes first races with a request on its way, and nginx may not repeat a POST.
keepalive = 75

# nginx has judged lines and headers before us, and a legal GET registration is longer than the
# default line.
limit_request_line = 0
limit_request_field_size = 2**20
limit_request_fields = 32768
# nginx sets this one; the others that gunicorn knows are the client's claims, and two that differ
# would be refused.
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}

# All masters of one user would share this socket, those of other checkouts too.
control_socket_disable = True
# Workers prove that they live by touching a file: a stalled disk must not get them killed.
worker_tmp_dir = _shared_memory if os.access(_shared_memory, os.W_OK) else None

accesslog = None  # nginx writes one
errorlog = "-"
logger_class = PlatformLogger
loglevel = _settings["LOG_LEVEL"].lower()
