"""Log lines never make their writer wait; what is lost is counted."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from shared.log_queue import QueuedHandler
from shared.settings import PROJECT_DIR
from tests.support.eventually import eventually


class Pipe:
    """A pipe whose reader may stand still, and a logger that writes to it."""

    def __init__(self, max_bytes: int) -> None:
        self.reader, self.writer = os.pipe()
        self.handler = QueuedHandler(self.writer, max_bytes=max_bytes)
        self.handler.setFormatter(logging.Formatter("%(message)s%(lines)s", defaults={"lines": ""}))
        self.log = logging.Logger("pipe")  # noqa: LOG001 - of this test alone
        self.log.addHandler(self.handler)
        self.received = ""

    def read(self) -> str:
        """Return everything that has come so far."""
        os.set_blocking(self.reader, False)
        try:
            self.received += os.read(self.reader, 2**20).decode()
        except BlockingIOError:
            pass
        return self.received


@pytest.fixture
def make_pipe() -> Iterator[Callable[..., Pipe]]:
    pipes: list[Pipe] = []

    def make(max_bytes: int = 2**20) -> Pipe:
        pipes.append(Pipe(max_bytes))
        return pipes[-1]

    yield make
    for pipe in pipes:
        os.close(pipe.reader)  # ends a write that hangs


def test_lines_come_out_whole_and_in_order(make_pipe: Callable[..., Pipe]) -> None:
    pipe = make_pipe()
    for number in range(1000):
        pipe.log.warning("line %d 模块", number)
    pipe.handler.flush()
    lines = "".join(f"line {number} 模块\n" for number in range(1000))
    assert eventually(lambda: pipe.read() if len(pipe.read()) >= len(lines) else "") == lines


def test_a_reader_that_stands_still_costs_the_writer_nothing(
    make_pipe: Callable[..., Pipe],
) -> None:
    pipe = make_pipe(max_bytes=100_000)
    started = time.monotonic()
    for _ in range(3000):
        pipe.log.warning("x" * 99)
    assert time.monotonic() - started < 1
    eventually(lambda: "dropped" in pipe.read())
    whole, _, told = pipe.received.partition("log lines were dropped")
    assert whole.count("\n") + int(told.splitlines()[0]) == 3000
    pipe.log.warning("after it")
    eventually(lambda: pipe.read().endswith("after it\n"))


def test_an_exit_waits_for_a_reader_that_stands_still_but_not_for_long(
    make_pipe: Callable[..., Pipe],
) -> None:
    pipe = make_pipe()
    pipe.log.warning("x" * 100_000)
    started = time.monotonic()
    pipe.handler.flush()
    assert 0.5 < time.monotonic() - started < 2


def test_a_fork_writes_its_own_lines_and_not_its_parents(make_pipe: Callable[..., Pipe]) -> None:
    pipe = make_pipe()
    pipe.log.warning("x" * 100_000)  # more than the pipe holds: it waits when we fork
    child = os.fork()
    if child == 0:
        pipe.handler.flush()
        pipe.log.warning("from the child")
        pipe.handler.flush()
        os._exit(0)
    eventually(lambda: "from the child" in pipe.read())
    os.waitpid(child, 0)
    eventually(lambda: pipe.read().count("x") == 100_000)


def test_a_process_ends_and_says_all_where_it_is_read() -> None:
    code = (
        "import logging, os; from shared.logs import configure_logging\n"
        "from shared.settings import Settings; configure_logging(Settings.from_env(), 'test')\n"
        "logging.getLogger('a').warning('last words', extra={'session': 's'})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT_DIR,
        env=os.environ | {"DEBUG": "True"},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    line = json.loads(done.stdout)
    assert (line["event"], line["session"], line["program"]) == ("last words", "s", "test")


@pytest.mark.parametrize("end", ["", "os._exit(logging.shutdown() or 0)"])
def test_a_process_ends_where_nobody_reads_it(end: str) -> None:
    code = (
        "import logging, os; from shared.logs import configure_logging\n"
        "from shared.settings import Settings; configure_logging(Settings.from_env(), 'test')\n"
        "for _ in range(3000): logging.getLogger('a').warning('x' * 100)\n"
        f"{end}\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=PROJECT_DIR,
        env=os.environ | {"DEBUG": "True"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.wait(15) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
