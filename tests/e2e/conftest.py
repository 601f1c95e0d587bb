"""The real platform in a copy of the checkout: manage.sh, supervisord, nginx, api, wsd, database."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support import eventually as support
from tests.support.asking import Answer, ask
from tests.support.ports import free_port

PROJECT_DIR = Path(__file__).resolve().parents[2]
# What starts and stops real processes takes longer than what other tests wait for.
eventually = partial(support.eventually, seconds=30.0)
LEFT_BEHIND = shutil.ignore_patterns(".git", ".venv", "var", ".env", "__pycache__", ".*_cache")


@dataclass(frozen=True)
class Platform:
    """An installation of its own, and what its users do with it."""

    directory: Path
    port: int

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of the installation's commands from another directory."""
        program, *arguments = command
        done = subprocess.run(
            [str(self.directory / program), *arguments],
            cwd="/",
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )
        if check and done.returncode:
            pytest.fail(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def ask(
        self, path: str, data: bytes | None = None, method: str | None = None, **headers: str
    ) -> Answer:
        """Send one HTTP request through nginx."""
        return ask(self.port, path, data, method, **headers)

    def register(self, name: str, **more: str) -> str:
        """Register as the first clients do; return the hash."""
        query = urlencode({"name": name, "description": "", "missionKind": "load", **more})
        answer = self.ask(f"/module/register?{query}")
        assert answer.envelope["code"] == "2000", answer.body
        return str(answer.envelope["result"]["hash"])

    def online(self) -> dict[str, dict[str, Any]]:
        """Return the listed modules by name."""
        return {item["name"]: item for item in self.ask("/module/online").envelope["result"]}

    def setting(self, name: str) -> int:
        """Return a number of its `.env`."""
        lines = (self.directory / ".env").read_text().splitlines()
        return int(dict(line.split("=", 1) for line in lines)[name])

    def log(self, name: str) -> str:
        """Return one of its log files."""
        return (self.directory / "var" / "logs" / f"{name}.log").read_text()

    def url(self, path: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def socket_url(self, module_hash: str) -> str:
        return self.url(f"/websocket?hash={module_hash}", "ws")

    def pids(self) -> dict[str, int]:
        """Return the supervised processes."""
        lines = self.run("manage.sh", "ctl", "status", check=False).stdout.splitlines()
        words = [line.replace(",", "").split() for line in lines if " RUNNING " in line]
        return {word[0]: int(word[3]) for word in words}


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A running platform, in an awkward path; it shares only the installed packages with us."""
    directory = tmp_path_factory.mktemp("e2e") / "负荷 预测 (二) [x]"
    shutil.copytree(PROJECT_DIR, directory, ignore=LEFT_BEHIND)
    (directory / ".venv").symlink_to(PROJECT_DIR / ".venv")
    installed = Platform(directory, free_port())
    settings = {
        "SECRET_KEY": "k" * 43,
        "ALLOWED_HOSTS": "*",
        "SERVER_PORT": str(installed.port),
        "API_PORT": str(free_port()),
        "WORKER_PORT": str(free_port()),
        "WSD_PORT": str(free_port()),
        "MONGODB_PORT": str(free_port()),
        "MAX_CONNECTIONS": "1000",
        "WEBSOCKET_PING_INTERVAL_SECONDS": "1",
        "WEBSOCKET_TIMEOUT_SECONDS": "3",
        "HEARTBEAT_FLUSH_SECONDS": "0.5",
        "LEASE_SECONDS": "4",
        "LEASE_RENEW_SECONDS": "1",
        "RECONCILE_SECONDS": "2",
    }
    (directory / ".env").write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
    try:
        installed.run("manage.sh", "up")
        yield installed
    finally:
        installed.run("manage.sh", "down", check=False)


def clean_environment() -> dict[str, str]:
    """Return our environment without what the test run put there for Python and the platform."""
    kept = ("PATH", "HOME", "LANG", "TERM", "USER")
    return {name: os.environ[name] for name in kept if name in os.environ}
