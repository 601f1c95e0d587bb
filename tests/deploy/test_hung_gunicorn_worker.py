"""One worker of two whose threads all hang is found and replaced; its neighbour is left alone."""

import http.client
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deafness import NO_ENV_FILE
from tests.support.eventually import eventually, throughout
from tests.support.ports import free_port
from tests.support.processes import RealProcess

pytestmark = pytest.mark.kill

THREADS = 2
# The process that the query names hangs; the others answer with their pids.
APPLICATION = """
import os, time
def application(environ, start_response):
    if environ["QUERY_STRING"] == str(os.getpid()):
        open(f"{os.environ['VAR_DIR']}/{id(environ)}.hung", "x").close()
        time.sleep(600)
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""


class Gunicorn(RealProcess):
    """The platform's gunicorn with another application, and a short time-out."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.directory = directory
        (directory / "application.py").write_text(APPLICATION)
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "--timeout", "2"]
        command += ["--threads", str(THREADS), "--pythonpath", str(directory)]
        env = {**NO_ENV_FILE, "PATH": os.environ["PATH"]}
        env |= {"DEBUG": "True", "API_PORT": str(self.port)}
        env |= {"VAR_DIR": str(directory), "MONGODB_HOST": "127.0.0.1"}
        super().__init__("gunicorn", [*command, "application:application"], env, directory)

    def workers(self) -> set[int]:
        """Return the worker processes."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return {int(pid) for pid in children.read_text().split()}

    def ask(self, query: str = "") -> int | None:
        """Return which worker answers, or None when it does not."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=0.5)
        try:
            connection.request("GET", f"/?{query}")
            return int(connection.getresponse().read())
        except OSError:
            return None
        finally:
            connection.close()

    def hang(self, pid: int) -> None:
        """Have every thread of one worker hang."""
        while len(list(self.directory.glob("*.hung"))) < THREADS:
            self.ask(str(pid))


@pytest.fixture
def gunicorn(tmp_path: Path) -> Iterator[Gunicorn]:
    process = Gunicorn(tmp_path)
    process.start()
    eventually(process.ask)
    yield process
    process.kill()


def test_a_worker_whose_threads_all_hang_is_replaced(gunicorn: Gunicorn) -> None:
    eventually(lambda: len(gunicorn.workers()) == 2)
    hung, well = gunicorn.workers()
    gunicorn.hang(hung)
    eventually(lambda: hung not in gunicorn.workers(), seconds=10)
    eventually(lambda: len(gunicorn.workers()) == 2)
    assert well in gunicorn.workers()
    assert all(gunicorn.ask() for _ in range(20))


def test_a_worker_that_has_nothing_to_do_is_left_alone(gunicorn: Gunicorn) -> None:
    eventually(lambda: len(gunicorn.workers()) == 2)
    before = gunicorn.workers()
    throughout(4.0, lambda: gunicorn.workers() == before)
