"""An embedded database server of the tests' own, which a test may kill, freeze and start again."""

import importlib.util
import os
import socket
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from shared.settings import PASSWORD_FILE
from tests.support.deafness import NO_ENV_FILE
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.processes import RealProcess

START_SECONDS = 20.0


class DatabaseServer(RealProcess):
    """The embedded server as supervisord runs it, with a port and data of its own."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.directory = directory
        env = {
            **NO_ENV_FILE,
            "DEBUG": "True",
            "PATH": os.environ["PATH"],
            "VAR_DIR": str(directory),
            "DATABASE_SERVER": "embedded",
            "MONGODB_PORT": str(self.port),
        }
        logs = directory / "logs"  # where the script writes, too
        logs.mkdir(parents=True, exist_ok=True)
        super().__init__("database", ["bash", "deploy/database.sh"], env, logs)

    @property
    def uri(self) -> str:
        """Return the address that plain clients use."""
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true&retryWrites=false"

    def set_password(self, password: str) -> None:
        """Have it asked for from the next start on, as `manage.sh up` does."""
        file = self.directory / PASSWORD_FILE
        file.write_text(f"{password}\n", encoding="ascii")
        file.chmod(0o600)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        if importlib.util.find_spec("secantus") is None:
            pytest.fail("No database server for the tests: run ./manage.sh test once.")
        super().start()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Return when the server answers a ping; fail with its log when it does not."""
        eventually(lambda: self._listens() or not self.is_running, START_SECONDS)
        if not self.is_running:
            pytest.fail(self.read_log()[-2000:])
        try:
            with MongoClient(self.uri, serverSelectionTimeoutMS=START_SECONDS * 1000) as client:
                client.admin.command("ping")
        except PyMongoError as error:
            pytest.fail(f"{error}\n{self.read_log()[-2000:]}")

    def _listens(self) -> bool:
        """Return whether the port is open; the driver alone would look only twice a second."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
