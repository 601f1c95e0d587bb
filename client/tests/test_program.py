"""A module's program is stopped, killed and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripted_platform import ScriptedPlatform, eventually

from forecast_module import Module

SUPPORT = Path(__file__).parent / "support"
CLIENT_DIR = Path(__file__).resolve().parents[1]

Program = subprocess.Popen[str]
StartProgram = Callable[[float], Program]
Start = Callable[..., Module]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """What the program's handler writes."""
    path = tmp_path / "notes"
    path.touch()
    return path


@pytest.fixture
def start_program(
    platform: ScriptedPlatform, tmp_path: Path, notes: Path
) -> Iterator[StartProgram]:
    """Starts the program, with a state directory that outlives it."""
    started: list[Program] = []

    def start(seconds: float) -> Program:
        script = str(SUPPORT / "module_program.py")
        arguments = [script, platform.url, str(tmp_path / "state"), str(notes), str(seconds)]
        program = subprocess.Popen(
            [sys.executable, *arguments],
            env={"PYTHONPATH": str(CLIENT_DIR)},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(program)
        return program

    yield start
    for program in started:
        program.kill()
        program.communicate()


def test_sigterm_lets_the_running_job_end_and_says_goodbye(
    start_program: StartProgram, platform: ScriptedPlatform, notes: Path
) -> None:
    program = start_program(1.0)
    platform.push("m1")
    eventually(lambda: "started m1" in notes.read_text())
    program.send_signal(signal.SIGTERM)
    assert program.wait(10) == 0
    assert platform.results[0]["result"] == "result of m1"
    bye = platform.of_type("bye")[0]
    assert bye["reason"] == "SIGTERM"
    assert "back_by" in bye
    assert platform.closings == [1000]


def test_sigterm_ends_a_program_that_finds_no_platform(
    start_program: StartProgram, platform: ScriptedPlatform
) -> None:
    platform.shut_door()
    program = start_program(0.0)
    assert program.stderr is not None
    for line in program.stderr:
        if "next attempt in" in line:
            break
    program.send_signal(signal.SIGTERM)
    assert program.wait(5) == 0


def test_new_work_is_not_acknowledged_while_a_program_ends(
    start_program: StartProgram, platform: ScriptedPlatform, notes: Path
) -> None:
    program = start_program(1.0)
    platform.push("m1")
    eventually(lambda: "started m1" in notes.read_text())
    program.send_signal(signal.SIGTERM)
    assert program.stderr is not None
    for line in program.stderr:
        if "Stopping" in line:
            break
    platform.push("m2")
    assert program.wait(10) == 0
    assert [ack["id"] for ack in platform.of_type("ack")] == ["m1"]
    assert "m2" not in notes.read_text()


def test_a_program_that_ends_has_room_for_the_jobs_in_hand_only(
    start: Start, platform: ScriptedPlatform
) -> None:
    go_on = threading.Semaphore(0)
    module = start(lambda job: go_on.acquire(timeout=10), in_flight=4)
    for n in range(2):
        platform.push(f"m{n}")
    eventually(lambda: len(platform.of_type("ack")) == 2)
    stopping = threading.Thread(target=module.stop)
    stopping.start()
    eventually(lambda: [hello["in_flight"] for hello in platform.hellos] == [4, 2])
    go_on.release()
    eventually(lambda: [hello["in_flight"] for hello in platform.hellos] == [4, 2, 1])
    go_on.release()
    stopping.join()


def test_a_second_signal_ends_the_program_at_once(
    start_program: StartProgram, platform: ScriptedPlatform, notes: Path
) -> None:
    program = start_program(60.0)
    platform.push("m1")
    eventually(lambda: "started m1" in notes.read_text())
    program.send_signal(signal.SIGINT)
    program.send_signal(signal.SIGTERM)
    assert program.wait(5) == 0
    assert platform.results == []


def test_a_program_killed_in_a_job_runs_it_again_and_only_once_more(
    start_program: StartProgram, platform: ScriptedPlatform, notes: Path
) -> None:
    for run in (1, 2):
        program = start_program(60.0)
        if run == 1:
            platform.push("m1")
        eventually(lambda run=run: notes.read_text().count("started m1") == run)
        program.kill()
        program.wait(10)
    start_program(0.0)
    eventually(lambda: platform.results)
    assert platform.results[0]["status"] == "failure"
    assert "ended 2 times while it ran this job" in platform.results[0]["error"]
    assert notes.read_text() == "started m1\nstarted m1\n"


def test_results_that_were_not_stored_are_sent_by_the_next_run(
    start_program: StartProgram, platform: ScriptedPlatform, notes: Path
) -> None:
    platform.stores = False
    program = start_program(0.0)
    platform.push("m1")
    eventually(lambda: platform.results)
    program.kill()
    program.wait(10)
    platform.stores = True
    start_program(0.0)
    eventually(lambda: len(platform.results) == 2)
    platform.push("m1", attempt=2)
    eventually(lambda: len(platform.results) == 3)
    assert [result["result"] for result in platform.results] == ["result of m1"] * 3
    assert notes.read_text() == "started m1\nended m1\n"


def test_a_second_program_on_the_machine_leaves_the_firsts_work_alone(
    start_program: StartProgram, platform: ScriptedPlatform, notes: Path
) -> None:
    first = start_program(1.0)
    platform.push("m1")
    eventually(lambda: "started m1" in notes.read_text())
    second = start_program(1.0)
    eventually(lambda: platform.handshakes == 2)
    eventually(lambda: platform.results)
    assert notes.read_text().count("started m1") == 1
    first.kill()
    second.terminate()
    _, said = second.communicate(timeout=10)
    assert f"runs as this module (pid {first.pid}, {SUPPORT / 'module_program.py'})" in said
