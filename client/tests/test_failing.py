"""A handler fails: what the platform is told, and what the author reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from scripted_platform import ScriptedPlatform, eventually

from forecast_module import Job, Module, RetryLater

Start = Callable[..., Module]
EXECUTION = {"type": "execute", "meta": {"try": 2}, "args": {}}


def test_an_exception_is_a_failure_with_a_short_traceback(
    start: Start, platform: ScriptedPlatform
) -> None:
    def deep(n: int) -> None:
        if n == 0:
            raise ValueError("no data for the 1st of March" + "x" * 600)
        deep(n - 1)

    start(lambda job: deep(50))
    platform.push("m1")
    eventually(lambda: platform.results)
    result = platform.results[0]
    assert result["status"] == "failure"
    assert result["error"].startswith("ValueError: no data for the 1st of March")
    assert len(result["error"]) <= 500
    assert len(result["traceback"].encode()) <= 2048
    assert "handlers.py" not in result["traceback"]


def test_a_handler_may_ask_for_another_attempt(start: Start, platform: ScriptedPlatform) -> None:
    def forecast(job: Job) -> None:
        raise RetryLater("the weather is not there yet", after_seconds=600)

    start(forecast)
    platform.push("m1")
    eventually(lambda: platform.results)
    result = platform.results[0]
    assert (result["error"], result["retry_after_s"]) == ("the weather is not there yet", 600)


def not_yet(job: Job) -> None:
    raise RetryLater("the weather is not there yet", after_seconds=600)


def test_a_request_for_another_try_is_told_in_one_line(
    start: Start, platform: ScriptedPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    start(not_yet)
    platform.push("m1", EXECUTION)
    eventually(lambda: platform.results)
    assert "traceback" not in platform.results[0]
    assert (
        "Job m1 cannot succeed now and asks for another try in 600 s: the weather is not there yet"
        in caplog.messages
    )
    assert "Traceback" not in caplog.text


def test_of_work_that_was_sent_by_hand_no_other_try_is_promised(
    start: Start, platform: ScriptedPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    start(not_yet)
    platform.push("m1", {"hours": 72})
    eventually(lambda: platform.results)
    assert "Job m1 failed (only workflows retry): the weather is not there yet" in caplog.messages


def break_down() -> None:
    raise ValueError("no data")


def forecast(job: Job) -> None:
    break_down()


async def forecast_later(job: Job) -> None:
    await asyncio.sleep(0)
    break_down()


@pytest.mark.parametrize("handler", [forecast, forecast_later])
def test_a_traceback_has_only_the_authors_lines(
    start: Start,
    platform: ScriptedPlatform,
    caplog: pytest.LogCaptureFixture,
    handler: Callable[[Job], object],
) -> None:
    start(handler)
    platform.push("m1")
    eventually(lambda: platform.results)
    told = platform.results[0]["traceback"]
    files = [line for line in told.splitlines() if line.strip().startswith("File")]
    assert len(files) == 2
    assert all("test_failing.py" in line for line in files)
    assert f"Job m1 failed:\n{told}".rstrip() in caplog.messages


def test_a_handler_reads_which_try_of_its_step_it_is(
    start: Start, platform: ScriptedPlatform
) -> None:
    start(lambda job: [job.try_number, job.attempt])
    platform.push("m1", EXECUTION)
    platform.push("m2", "words")
    eventually(lambda: len(platform.results) == 2)
    assert [result["result"] for result in platform.results] == [[2, 1], [1, 1]]
