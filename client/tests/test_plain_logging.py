"""A program that has not set up logging still says what it does, on stderr."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripted_platform import ScriptedPlatform, eventually

CLIENT_DIR = Path(__file__).resolve().parents[1]
TEN_LINES = """
import time
from forecast_module import Module
module = Module({url!r}, name="load-72h")
@module.on_execute
def forecast(job):
    time.sleep(job.args["seconds"])
module.run()
"""

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the module of ten lines against an address; its stderr is in tmp_path/said."""
    started: list[subprocess.Popen[str]] = []

    def run(url: str) -> subprocess.Popen[str]:
        env = {"PYTHONPATH": str(CLIENT_DIR), "FORECAST_STATE_DIR": str(tmp_path)}
        command = [sys.executable, "-c", TEN_LINES.format(url=url)]
        with (tmp_path / "said").open("w") as said:
            program = subprocess.Popen(command, env=env, stderr=said, text=True)
        started.append(program)
        return program

    yield run
    for program in started:
        program.kill()
        program.wait()


@pytest.fixture
def has_said(tmp_path: Path) -> Callable[[str], bool]:
    """Tells whether the program has said a text."""
    return lambda text: text in (tmp_path / "said").read_text()


def test_a_program_says_that_it_is_connected_and_what_ctrl_c_waits_for(
    start: Start, has_said: Callable[[str], bool], platform: ScriptedPlatform
) -> None:
    program = start(platform.url)
    eventually(lambda: has_said("INFO Connected as load-72h to ws://127.0.0.1:"))
    platform.push("m1", {"seconds": 60})
    eventually(lambda: has_said("Job m1 starts"))
    program.send_signal(signal.SIGINT)
    eventually(lambda: has_said("Finishing job m1; a second signal (Ctrl-C) ends at once"))
    program.send_signal(signal.SIGINT)
    assert program.wait(10) == 0


def test_a_program_warns_at_once_that_no_platform_answers(
    start: Start, has_said: Callable[[str], bool], platform: ScriptedPlatform
) -> None:
    platform.shut_door()
    start(platform.url)
    eventually(lambda: has_said("WARNING Not connected"))
    assert has_said(f"{platform.url} does not answer ([Errno 111] Connection refused)")


def test_a_refused_registration_ends_the_program_with_one_line(
    start: Start, has_said: Callable[[str], bool], platform: ScriptedPlatform
) -> None:
    platform.registration_refusals = [(400, "name: too long")]
    assert start(platform.url).wait(20) == 1
    assert has_said("ERROR The platform does not register the module: name: too long")
    assert not has_said("Traceback")
