"""A real worker process: it answers probes, waits for a database, and ends when told to."""

import json
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shared.clock import utc_now
from shared.domain.event import node_changed
from shared.domain.ids import NodeId
from shared.settings import Settings
from shared.store import Store
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.worker_process import Worker


@pytest.fixture
def worker(settings: Settings, tmp_path: Path) -> Iterator[Worker]:
    process = Worker(settings, tmp_path)
    yield process
    process.kill()


def test_purges_and_ends_when_told_to(worker: Worker, store: Store) -> None:
    long_ago = utc_now() - timedelta(days=31)
    store.events.record([node_changed(NodeId("host:1:1"), "enrolled", long_ago)])
    worker.start()
    eventually(worker.is_healthy)
    eventually(lambda: store.events.find() == [])
    told_at = time.monotonic()
    worker.terminate()
    assert worker.wait() == 0
    assert time.monotonic() - told_at < 5


def test_lives_on_without_a_database(settings: Settings, tmp_path: Path) -> None:
    away = replace(settings, mongodb_host=f"127.0.0.1:{free_port()}")
    worker = Worker(away, tmp_path)
    worker.start()
    try:
        eventually(worker.is_healthy)
        eventually(lambda: "a loop found no database" in worker.read_log())
        assert worker.is_healthy()
        worker.terminate()
        assert worker.wait(5) == 0
    finally:
        worker.kill()


def test_a_second_worker_on_one_port_ends_with_a_sentence(
    worker: Worker, settings: Settings, tmp_path: Path
) -> None:
    worker.start()
    eventually(worker.is_healthy)
    second = Worker(settings, tmp_path)
    second._env["WORKER_PORT"] = str(worker.port)
    second.start()
    assert second.wait() == 1
    assert "WORKER_PORT" in second.read_log()


@pytest.mark.parametrize(
    "request_bytes",
    [b"garbage\r\n\r\n", b"GET /healthz HTTP/9.9\r\n\r\n", b"POST /healthz HTTP/1.1\r\n\r\n"],
)
def test_what_is_no_probe_is_refused_with_the_envelope(
    worker: Worker, request_bytes: bytes
) -> None:
    worker.start()
    eventually(worker.is_healthy)
    with socket.create_connection(("127.0.0.1", worker.port), timeout=5) as prober:
        prober.sendall(request_bytes)
        answer = b"".join(iter(lambda: prober.recv(65536), b""))
    assert json.loads(answer[answer.index(b"{") :])["code"] == "3002"
    assert "Traceback" not in worker.read_log()


def test_a_prober_that_leaves_before_its_answer_leaves_no_traceback(worker: Worker) -> None:
    worker.start()
    eventually(worker.is_healthy)
    worker.freeze()
    for _ in range(3):  # as many as its backlog holds
        with socket.create_connection(("127.0.0.1", worker.port), timeout=5) as prober:
            prober.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            prober.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    worker.thaw()
    eventually(worker.is_healthy)
    assert "Traceback" not in worker.read_log()
