"""The platform's real processes, as users run them, on free ports and data of their own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

import psutil
from pymongo import MongoClient

from deploy import process_environment
from shared.clock import utc_now
from shared.domain.ids import ModuleHash
from shared.domain.module import Module, Registration
from shared.settings import PROJECT_DIR, Settings
from shared.store import Store, connect
from shared.store.modules import _to_document

PYTHON = sys.executable
START_SECONDS = 20.0
PORTS = tuple(f.name.upper() for f in fields(Settings) if f.name.endswith("_port"))


class Program:
    """One process of the stack, with its log and its use of the machine."""

    def __init__(self, name: str, command: list[str], directory: Path) -> None:
        self.name = name
        self._log = directory / f"{name}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=PROJECT_DIR, stdout=log, stderr=log)
        self._watched = psutil.Process(self.process.pid)

    def cpu_seconds(self) -> float:
        """Return the processor time used so far, that of its children included."""
        return sum(sum(p.cpu_times()[:2]) for p in self._family())

    def resident_bytes(self) -> int:
        """Return the resident memory, that of its children included."""
        return sum(p.memory_info().rss for p in self._family())

    def _family(self) -> list[psutil.Process]:
        return [self._watched, *self._watched.children(recursive=True)]

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Return when it is ready; raise with its log when it is not."""
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it, by force if it does not go."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Stack:
    """The database at once; what else users run when a bench asks for it."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="forecast-bench-"))
        self._logs = self.directory / "logs"
        self._logs.mkdir()
        self._programs: list[Program] = []
        self.settings = own_settings(self.directory)
        self.store = self.open_store()
        self.database = self._start("database", ["bash", "deploy/database.sh"])

    def __enter__(self) -> Self:
        command = [PYTHON, "-m", "cli.main", "init-db", "--wait", f"{START_SECONDS:g}"]
        try:
            subprocess.run(command, cwd=PROJECT_DIR, stdout=subprocess.DEVNULL, check=True)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything, and remove what it wrote."""
        self.stop_all_but_database()
        self.store.close()
        self.database.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def stop_all_but_database(self) -> None:
        """Stop what was started after the database, the last first."""
        while self._programs[-1] is not self.database:
            self._programs.pop().stop()

    def open_store(self) -> Store:
        """Open a store with a client of its own, patient enough for a busy machine."""
        return connect(self.settings, timeout_ms=20_000)

    def register_modules(self, count: int) -> list[ModuleHash]:
        """Register modules straight in the store: nothing of it is measured."""
        now = utc_now()
        registrations = [Registration(name=f"module-{number}") for number in range(count)]
        modules = [
            Module(
                module_hash=registration.module_hash,
                module_id=number,
                name=registration.name,
                registered_at=now,
                updated_at=now,
                state_since=now,
            )
            for number, registration in enumerate(registrations, 1)
        ]
        self.store.modules._collection.insert_many([_to_document(m) for m in modules])
        hashes = [module.module_hash for module in modules]
        self.store.heartbeats._collection.insert_many([{"_id": h, "at": now} for h in hashes])
        self.store.counters.raise_to("module_id", count)
        return hashes

    def count_requests(self) -> int:
        """Return how many requests the database server has taken so far."""
        with MongoClient[dict[str, Any]](self.settings.database_url) as client:
            return int(client.admin.command("serverStatus")["network"]["numRequests"])

    def start_wsd(self, module: str = "wsd") -> Program:
        """Start one wsd and wait until it is enrolled."""
        wsd = self._start("wsd", [PYTHON, "-m", module, "--index", "0"])
        wsd.wait_until(lambda: http_status(self.settings.wsd_port, "/healthz") == 200)
        wsd.wait_until(lambda: bool(self.store.nodes.all()))
        return wsd

    def start_worker(self) -> Program:
        """Start the worker; the bare servers of a bench run beside it, too."""
        worker = self._start("worker", [PYTHON, "-m", "worker"])
        worker.wait_until(lambda: http_status(self.settings.worker_port, "/healthz") == 200)
        return worker

    def start_api(self) -> Program:
        """Start the api under gunicorn."""
        api = self._start("api", [PYTHON, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"])
        api.wait_until(lambda: http_status(self.settings.api_port, "/readyz") == 200)
        return api

    def start_nginx(self) -> Program:
        """Start nginx with the configuration that `platformctl config nginx` prints."""
        prefix = self.directory / "run" / "nginx"
        prefix.mkdir(parents=True)
        rendered = subprocess.check_output(
            [PYTHON, "-m", "cli.main", "config", "nginx"], cwd=PROJECT_DIR
        )
        (prefix / "nginx.conf").write_bytes(rendered)
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        directives = process_environment.nginx_globals(self.directory, is_root=os.geteuid() == 0)
        command = [program, "-p", f"{prefix}/", "-c", "nginx.conf", "-e", "stderr"]
        nginx = self._start("nginx", [*command, "-g", directives])
        nginx.wait_until(lambda: http_status(self.settings.server_port, "/nowhere") is not None)
        return nginx

    def _start(self, name: str, command: list[str]) -> Program:
        program = Program(name, command, self._logs)
        self._programs.append(program)
        return program


def own_settings(directory: Path) -> Settings:
    """Say every setting in the environment, so that no `.env` and no caller adds one of its own."""
    own = {
        "DEBUG": "False",
        "SECRET_KEY": "k" * 43,
        "ALLOWED_HOSTS": "*",
        "VAR_DIR": str(directory),
    }
    own |= dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    os.environ.update(own)
    settings = Settings.from_env(env_file=directory / "no.env")
    said = settings.as_environment(masked=False)
    os.environ.update(said | {f"{name}_FILE": "" for name in said})
    # deploy/database.sh wants these two besides; `platformctl config env` adds them for supervisord.
    os.environ["DATABASE_SERVER"] = settings.database_server
    os.environ["MONGOD_PATH"] = settings.mongod_path
    return settings


def free_ports(count: int) -> list[int]:
    """Return free ports."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def http_status(port: int, path: str) -> int | None:
    """Return the status of a GET, or None without an answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None
