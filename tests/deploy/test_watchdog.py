"""The watchdog: three misses in a row, never a process that is starting, and a really frozen process."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy import database_probe, disk_space, watchdog
from deploy.database_probe import DatabaseProbe
from deploy.process_environment import environment, open_files
from deploy.watchdog import Watchdog
from shared.domain.event import node_changed
from shared.domain.ids import NodeId
from shared.services.database_setup import wait_for_database
from shared.settings import Settings
from shared.store import Store, connect
from tests.support.builders import NOON
from tests.support.ports import free_port
from tests.support.processes import RealProcess


def judge(dog: Watchdog, answers: bool, *, pid: int = 1, age_seconds: float = 100) -> bool:
    return dog.is_hung("api", pid=pid, age_seconds=age_seconds, answers=answers)


def test_three_misses_in_a_row() -> None:
    dog = Watchdog()
    assert [judge(dog, False) for _ in range(3)] == [False, False, True]


def test_an_answer_forgives() -> None:
    dog = Watchdog()
    rounds = [False, False, True, False, False]
    assert not any(judge(dog, answers) for answers in rounds)


def test_the_next_process_starts_from_nothing() -> None:
    dog = Watchdog()
    assert not any(judge(dog, False, pid=pid) for pid in (1, 1, 2, 2))


def test_a_process_that_is_starting_is_not_judged() -> None:
    dog = Watchdog()
    assert not any(judge(dog, False, age_seconds=age) for age in range(0, 20, 5))
    assert [judge(dog, False, age_seconds=age) for age in (20, 25, 30)] == [False, False, True]


def test_a_process_that_answered_once_is_judged_at_once() -> None:
    dog = Watchdog()
    judge(dog, True, age_seconds=1)
    assert [judge(dog, False, age_seconds=2) for _ in range(3)] == [False, False, True]


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
        watchdog.tick(dog, settings, supervisor, None)
    assert process.poll() is None
    process.send_signal(signal.SIGSTOP)
    for _ in range(3):
        assert process.poll() is None
        watchdog.tick(dog, settings, supervisor, None)
    assert process.wait(2) == -signal.SIGKILL


class Database(RealProcess):
    """The embedded server as supervisord starts it."""

    def __init__(self, settings: Settings) -> None:
        env = environment(settings, open_files(10, 1024)) | {"PATH": os.environ["PATH"]}
        (settings.var_dir / "logs").mkdir()
        super().__init__("database", ["bash", "deploy/database.sh"], env, settings.var_dir)

    @property
    def pid(self) -> int:
        """Return its process id, which supervisord tells the watchdog."""
        assert self._process is not None
        return self._process.pid

    def forbid_writes(self) -> None:
        """Have its files not grow any more, as on a full disk."""
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def allow_writes(self) -> None:
        """Give it space again."""
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, unlimited)


@pytest.fixture
def embedded(settings: Settings) -> Settings:
    nowhere = {"mongodb_host": "", "mongod_bin": "/nowhere/mongod"}
    return replace(settings, mongodb_port=free_port(), **nowhere)


@pytest.fixture
def database(embedded: Settings) -> Iterator[Database]:
    process = Database(embedded)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def own_store(embedded: Settings, database: Database) -> Iterator[Store]:
    store = connect(embedded)
    wait_for_database(store, 10)
    yield store
    store.close()


@pytest.fixture
def probe(embedded: Settings) -> Iterator[DatabaseProbe]:
    opened = DatabaseProbe(embedded)
    yield opened
    opened.close()


@pytest.mark.kill
def test_starts_a_database_again_that_refuses_writes_on_a_disk_with_space(
    embedded: Settings,
    database: Database,
    own_store: Store,
    probe: DatabaseProbe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database_probe, "REFUSAL_SECONDS", 0.3)
    nodes = [NodeId(f"host:{number}:1") for number in range(10)]
    own_store.events.record([node_changed(node, "enrolled", NOON) for node in nodes])

    def look(seconds: float = 0.6) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and database.is_running:
            watchdog.tick(Watchdog(), embedded, Supervisor("database", database.pid, 60), probe)

    look()
    assert database.is_running
    database.forbid_writes()
    with monkeypatch.context() as full:
        full.setattr(disk_space, "FULL_BYTES", 2**63)
        look()
        assert own_store.refuses_writes()
        assert database.is_running
    database.allow_writes()
    look(seconds=5)
    assert database.wait() == -signal.SIGKILL
    database.start()
    wait_for_database(own_store, 10)
    assert {event.subject.id for event in own_store.events.find()} == set(nodes)
    look()
    assert database.is_running


@pytest.mark.kill
def test_a_database_that_does_not_answer_is_not_one_that_refuses(
    database: Database, own_store: Store, probe: DatabaseProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_probe, "REFUSAL_SECONDS", 0.0)
    assert not probe.must_restart(database.pid)
    database.freeze()
    assert not probe.must_restart(database.pid)
    database.thaw()
    assert not probe.must_restart(database.pid)


def test_starts_an_embedded_database_again_that_has_grown_too_large(
    embedded: Settings, probe: DatabaseProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "EMBEDDED_DATABASE_BYTES", 1)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        watchdog.tick(Watchdog(), embedded, Supervisor("database", process.pid, 5), probe)
        assert process.wait(2) == -signal.SIGTERM
