"""The watchdog: three misses in a row, never who is only starting, and a really frozen process."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy import watchdog
from deploy.watchdog import Watchdog
from shared.settings import Settings
from tests.support.ports import free_port


def probe(dog: Watchdog, answers: bool, *, pid: int = 1, age_seconds: float = 100) -> bool:
    return dog.is_hung("api", pid=pid, age_seconds=age_seconds, answers=answers)


def test_three_misses_in_a_row() -> None:
    dog = Watchdog()
    assert [probe(dog, False) for _ in range(3)] == [False, False, True]


def test_an_answer_forgives() -> None:
    dog = Watchdog()
    rounds = [False, False, True, False, False]
    assert not any(probe(dog, answers) for answers in rounds)


def test_the_next_process_starts_from_nothing() -> None:
    dog = Watchdog()
    assert not any(probe(dog, False, pid=pid) for pid in (1, 1, 2, 2))


def test_who_is_only_starting_is_not_judged() -> None:
    dog = Watchdog()
    assert not any(probe(dog, False, age_seconds=age) for age in range(0, 20, 5))
    assert [probe(dog, False, age_seconds=age) for age in (20, 25, 30)] == [False, False, True]


def test_who_has_answered_once_is_judged_at_once() -> None:
    dog = Watchdog()
    probe(dog, True, age_seconds=1)
    assert [probe(dog, False, age_seconds=2) for _ in range(3)] == [False, False, True]


class Supervisor:
    """supervisord's list of one running process."""

    def __init__(self, name: str, pid: int, age_seconds: int) -> None:
        self.name, self.pid, self.age_seconds = name, pid, age_seconds

    def getAllProcessInfo(self) -> list[dict[str, Any]]:  # noqa: N802
        """Answer as supervisord does."""
        now = int(time.time())
        info = {"name": self.name, "pid": self.pid, "statename": "RUNNING"}
        return [info | {"now": now, "start": now - self.age_seconds}]


@pytest.fixture
def served(
    settings: Settings, tmp_path: Path
) -> Iterator[tuple[Settings, subprocess.Popen[bytes]]]:
    """An HTTP server in the place of the api, the leader of its process group."""
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        while not watchdog.answers("127.0.0.1", port, "localhost"):
            time.sleep(0.05)
        yield replace(settings, api_port=port), process
        process.kill()


@pytest.mark.kill
def test_kills_a_frozen_process(
    served: tuple[Settings, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, process = served
    monkeypatch.setattr(watchdog, "PROBE_SECONDS", 0.2)
    dog, supervisor = Watchdog(), Supervisor("api", process.pid, 5)
    for _ in range(4):
        watchdog.tick(dog, settings, supervisor)
    assert process.poll() is None
    process.send_signal(signal.SIGSTOP)
    for _ in range(3):
        assert process.poll() is None
        watchdog.tick(dog, settings, supervisor)
    assert process.wait(2) == -signal.SIGKILL


def test_starts_an_embedded_database_again_that_has_grown_too_large(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "EMBEDDED_DATABASE_BYTES", 1)
    embedded = replace(settings, mongodb_host="", mongod_bin="/nowhere/mongod")
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        watchdog.tick(Watchdog(), embedded, Supervisor("database", process.pid, 5))
        assert process.wait(2) == -signal.SIGTERM
