"""A module stays connected: what it does after each way in which a connection can end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fast_timing import FAST
from scripted_platform import HASH, ScriptedPlatform, eventually

from forecast_module import Job, Module, Timing
from forecast_module.address import Address
from forecast_module.backoff import Backoff
from forecast_module.protocol import Work
from forecast_module.results_store import ResultsStore
from forecast_module.state_dir import find_state_dir

Start = Callable[..., Module]
Make = Callable[..., Module]


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 1013, 4008, 4010, 4029, 4777])
def test_most_closings_are_followed_by_a_quick_return(
    start: Start, platform: ScriptedPlatform, code: int
) -> None:
    start()
    closed_at = time.monotonic()
    platform.close_socket(code, "go")
    eventually(lambda: platform.handshakes == 2 and platform.is_connected)
    assert time.monotonic() - closed_at < FAST.replaced_pause
    assert len(platform.registrations) == 1


@pytest.mark.parametrize("code", [1002, 1007, 1008, 1009])
def test_closings_for_bad_frames_are_a_warning(
    start: Start, platform: ScriptedPlatform, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    start()
    platform.close_socket(code, "bad frames")
    eventually(lambda: platform.handshakes == 2 and platform.is_connected)
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert any("bad frames" in record.getMessage() for record in warned)


def test_an_unknown_module_registers_again(start: Start, platform: ScriptedPlatform) -> None:
    start()
    platform.close_socket(4501, "no such module: register again")
    eventually(lambda: platform.handshakes == 2 and platform.is_connected)
    assert len(platform.registrations) == 2


def test_an_unknown_hash_at_the_handshake_registers_again(
    start: Start, platform: ScriptedPlatform
) -> None:
    platform.handshake_refusals = [(404, {})]
    start()
    assert len(platform.registrations) == 2


def test_a_replaced_module_waits_a_minute_before_it_returns(
    start: Start, platform: ScriptedPlatform
) -> None:
    start()
    closed_at = time.monotonic()
    platform.close_socket(4509, "a newer session took over")
    eventually(lambda: platform.handshakes == 2)
    assert time.monotonic() - closed_at >= FAST.replaced_pause


@pytest.mark.parametrize("code", [4503, 4523])
def test_a_disabled_module_looks_again_much_later(
    start: Start, platform: ScriptedPlatform, code: int
) -> None:
    start()
    closed_at = time.monotonic()
    platform.close_socket(code, "an operator disabled the module")
    eventually(lambda: platform.handshakes == 2)
    assert time.monotonic() - closed_at >= FAST.disabled_pause


def test_a_module_that_is_refused_as_disabled_looks_again_much_later(
    start: Start, platform: ScriptedPlatform
) -> None:
    platform.handshake_refusals = [(403, {})]
    began = time.monotonic()
    start()
    assert time.monotonic() - began >= FAST.disabled_pause


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_says_when_to_come_back(
    start: Start, platform: ScriptedPlatform, status: int
) -> None:
    platform.handshake_refusals = [(status, {"Retry-After": "1"})]
    began = time.monotonic()
    start()
    assert time.monotonic() - began >= 1.0


@pytest.mark.parametrize("status", [200, 400, 500, 502])
def test_any_other_answer_to_the_handshake_is_tried_again(
    start: Start, platform: ScriptedPlatform, status: int
) -> None:
    platform.handshake_refusals = [(status, {})] * 3
    start()
    assert platform.handshakes == 4


def test_registration_is_tried_until_the_platform_is_there(
    make_module: Make, platform: ScriptedPlatform
) -> None:
    platform.registration_refusals = [(503, "The database is not available.")] * 2
    platform.shut_door()
    module = make_module()
    module.start()
    eventually(lambda: module._link is not None and module._link._backoff.failures >= 2)
    platform.open_door()
    eventually(lambda: platform.is_connected)
    assert len(platform.registrations) == 3


def test_a_registration_that_is_wrong_ends_the_program_with_the_platforms_sentence(
    make_module: Make, platform: ScriptedPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    platform.registration_refusals = [(400, "name: must not be longer than 100 characters")]
    with pytest.raises(SystemExit) as ended:
        make_module().run()
    assert ended.value.code == 1
    assert "must not be longer than 100 characters" in caplog.text
    assert "Traceback" not in caplog.text


def test_an_address_that_is_not_the_platforms_is_said_to_be_none(
    make_module: Make, platform: ScriptedPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    module = make_module(url=f"{platform.url}/elsewhere")
    module.start()
    eventually(lambda: "There is nothing at /elsewhere/module/register" in caplog.text)
    assert not module.is_connected


def test_an_interrupted_job_of_long_ago_is_a_failure_and_does_not_run(
    start: Start, platform: ScriptedPlatform, tmp_path: Path
) -> None:
    directory = find_state_dir(str(tmp_path / "state"), Address.parse(platform.url), HASH)
    ResultsStore(directory, max_frame_bytes=1000).begin(Work("m1", 1, {}))
    time.sleep(0.02)
    ran: list[str] = []
    start(lambda job: ran.append(job.id), timing=replace(FAST, stale=0.01))
    eventually(lambda: platform.results)
    assert "The program ended while it ran this job" in platform.results[0]["error"]
    assert ran == []


def test_a_connection_without_confirmations_is_given_up(
    start: Start, platform: ScriptedPlatform
) -> None:
    start(timing=replace(FAST, confirm=0.3))
    platform.confirms = False
    eventually(lambda: platform.handshakes >= 2)
    platform.confirms = True
    eventually(lambda: platform.is_connected)


def test_the_pauses_grow_up_to_their_limit_and_are_never_the_same() -> None:
    rows = []
    for _ in range(200):
        backoff = Backoff(60.0)
        rows.append([backoff.next_pause() for _ in range(10)])
    longest = [max(pauses) for pauses in zip(*rows)]
    assert longest[0] <= 2.0
    assert 30 < longest[-1] <= 60.0
    assert len({row[0] for row in rows}) > 190


def test_times_by_default_are_those_of_the_platform() -> None:
    timing = Timing()
    assert (timing.heartbeat, timing.confirm, timing.longest_pause) == (30, 60, 60)
    assert (timing.replaced_pause, timing.disabled_pause) == (60, 600)


def test_work_goes_on_while_the_connection_is_gone(
    start: Start, platform: ScriptedPlatform
) -> None:
    release = threading.Event()

    def forecast(job: Job) -> str:
        release.wait(10)
        return "done"

    start(forecast)
    platform.push("m1")
    eventually(lambda: platform.of_type("ack"))
    platform.shut_door()
    release.set()
    eventually(lambda: not platform.is_connected)
    platform.open_door()
    eventually(lambda: platform.results)
    assert (platform.results[0]["id"], platform.results[0]["result"]) == ("m1", "done")


def test_a_result_is_sent_again_until_it_is_stored(
    start: Start, platform: ScriptedPlatform
) -> None:
    platform.stores = False
    start()
    platform.push("m1")
    eventually(lambda: len(platform.results) == 1)
    platform.cut()
    eventually(lambda: len(platform.results) == 2)
    platform.stores = True
    platform.cut()
    eventually(lambda: len(platform.results) == 3)
    platform.cut()
    eventually(lambda: platform.handshakes == 4 and platform.is_connected)
    platform.push("m2")
    eventually(lambda: len(platform.results) == 4)
    assert [result["id"] for result in platform.results] == ["m1", "m1", "m1", "m2"]


def test_a_platform_that_never_stores_a_result_is_reconnected_to(
    start: Start, platform: ScriptedPlatform
) -> None:
    platform.stores = False
    start(timing=replace(FAST, stored=0.3))
    platform.push("m1")
    eventually(lambda: len(platform.results) >= 2 and platform.handshakes >= 2)
    platform.stores = True


def test_a_result_on_which_the_platform_breaks_becomes_a_failure(
    start: Start, platform: ScriptedPlatform
) -> None:
    platform.stores = False
    start()
    platform.push("m1")
    for n in range(1, 6):
        eventually(lambda n=n: len(platform.results) == n)
        platform.close_socket(1011, "an error inside the platform")
    platform.stores = True
    eventually(lambda: len(platform.results) == 6)
    assert platform.results[5]["status"] == "failure"
    assert "it failed 5 times on it" in platform.results[5]["error"]


def test_a_message_that_comes_twice_runs_once(start: Start, platform: ScriptedPlatform) -> None:
    ran: list[str] = []
    release = threading.Event()

    def forecast(job: Job) -> str:
        ran.append(job.id)
        release.wait(10)
        return "done"

    start(forecast)
    platform.push("m1")
    platform.push("m1", attempt=2)
    eventually(lambda: len(platform.of_type("ack")) == 2)
    release.set()
    eventually(lambda: platform.results)
    platform.cut()
    eventually(lambda: platform.handshakes == 2 and platform.is_connected)
    platform.push("m1", attempt=3)
    eventually(lambda: len(platform.results) == 2)
    assert ran == ["m1"]
    assert platform.results[0] == platform.results[1]


def test_a_module_says_when_it_will_be_back(start: Start, platform: ScriptedPlatform) -> None:
    module = start(back_within_seconds=300)
    module.stop()
    eventually(lambda: platform.closings == [1000])
    bye = platform.of_type("bye")[0]
    assert bye["reason"] == "stopped"
    assert bye["back_by"].endswith("+00:00")


def test_a_module_without_a_function_does_not_start(platform: ScriptedPlatform) -> None:
    with pytest.raises(Exception, match=r"@module\.on_execute"):
        Module(platform.url, name="nothing").start()


@pytest.mark.parametrize("url", ["platform:10080", "ws://platform", "http://", "http://p/?a=1"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="The platform's address"):
        Module(url, name="lost")
