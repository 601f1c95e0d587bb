"""The worker's loops: a tick at a time, through failures, until they are stopped."""

import threading
import time
from collections.abc import Iterator

import pytest

from shared.errors import DatabaseUnavailable
from tests.support.eventually import eventually
from worker import runner
from worker.runner import Loop, stop_loops

NEVER = 600.0


class Tick:
    """A tick that says what it is told to, and counts."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)
        self.count = 0

    def __call__(self) -> bool:
        self.count += 1
        answer = self.answers.pop(0) if self.answers else False
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def started() -> Iterator[list[Loop]]:
    """Loops that a test has started; they end with it."""
    loops: list[Loop] = []
    yield loops
    assert stop_loops(loops, 5) == []


def start(started: list[Loop], tick: Tick, seconds: float = NEVER) -> Loop:
    loop = Loop("test", seconds, tick)
    loop.start()
    started.append(loop)
    return loop


def test_comes_again_at_once_while_work_is_left(started: list[Loop]) -> None:
    tick = Tick(True, True, False)
    start(started, tick)
    eventually(lambda: tick.count == 3)


def test_a_wake_up_cuts_the_pause_short(started: list[Loop]) -> None:
    tick = Tick()
    loop = start(started, tick)
    eventually(lambda: tick.count == 1)
    loop.wake()
    eventually(lambda: tick.count == 2)


@pytest.mark.parametrize("failure", [DatabaseUnavailable(), RuntimeError("a fault of ours")])
def test_a_failed_tick_is_logged_and_comes_again(
    started: list[Loop], failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    tick = Tick(failure)
    loop = start(started, tick, seconds=0.01)
    eventually(lambda: tick.count >= 2)
    assert loop.is_working()
    assert {record.loop for record in caplog.records} == {"test"}


def test_a_loop_whose_tick_never_ends_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "TICK_SECONDS", 0.1)
    release = threading.Event()
    loop = Loop("hung", 0.0, release.wait)
    loop.start()
    eventually(lambda: not loop.is_working())
    started_at = time.monotonic()
    assert stop_loops([loop], 0.1) == ["hung"]
    assert time.monotonic() - started_at < 1
    release.set()
    assert loop.wait(5)
