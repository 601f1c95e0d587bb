"""gunicorn.conf.py: HUP must load the new code, and refusals are the envelope."""

import json
import logging
import os
import runpy
import socket
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.http.errors import InvalidHeader, InvalidRequestLine, LimitRequestHeaders

from shared.settings import PROJECT_DIR


@pytest.fixture
def conf(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(PROJECT_DIR)
    monkeypatch.setenv("DEBUG", "True")
    monkeypatch.setenv("API_PORT", "10999")
    return runpy.run_path("gunicorn.conf.py")


def test_the_master_imports_nothing_that_workers_would_inherit() -> None:
    code = "import runpy, sys; runpy.run_path('gunicorn.conf.py'); print(*sys.modules)"
    environment = os.environ | {"DEBUG": "True"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert not imported & {"api", "cli", "shared", "wsgi", "flask", "pymongo", "structlog"}


def test_takes_the_settings(conf: dict[str, Any]) -> None:
    assert conf["bind"] == "127.0.0.1:10999"
    assert (conf["workers"], conf["threads"]) == (2, 16)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidRequestLine("GET /\xff"), 400, "3002"),
        (InvalidHeader("x"), 400, "3002"),
        (LimitRequestHeaders("x"), 431, "3002"),
        (RuntimeError("secret"), 500, "3001"),
    ],
)
def test_refuses_with_the_envelope(
    conf: dict[str, Any], error: Exception, status: int, code: str
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker = SimpleNamespace(log=logging.getLogger())
        conf["EnvelopeWorker"].handle_error(worker, None, ours, None, error)
        head, _, body = theirs.recv(10_000).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert json.loads(body)["code"] == code
    assert b"secret" not in body
