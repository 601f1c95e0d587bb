"""Work comes, runs once, and its result goes back until the platform has stored it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from scripted_platform import ScriptedPlatform, eventually

from forecast_module import Cancelled, Job, Module

Start = Callable[..., Module]


def test_a_module_registers_says_hello_and_heartbeats(
    start: Start, platform: ScriptedPlatform
) -> None:
    start(mission_kind="load", data_requirement=[{"table_name": "t"}], in_flight=4)
    assert platform.registrations == [
        {
            "name": "load-72h",
            "description": "",
            "missionKind": "load",
            "dataRequirement": [{"table_name": "t"}],
        }
    ]
    assert platform.hellos[0]["sdk"].startswith("forecast_module/")
    assert (platform.hellos[0]["acks"], platform.hellos[0]["in_flight"]) == (True, 4)
    eventually(lambda: len(platform.heartbeats_at) >= 3)


def test_work_is_acknowledged_and_its_result_sent(start: Start, platform: ScriptedPlatform) -> None:
    start()
    platform.push("m1", {"type": "execute", "meta": {}, "args": {"hours": 72}})
    eventually(lambda: platform.results)
    assert platform.of_type("ack") == [{"type": "ack", "id": "m1"}]
    result = platform.results[0]
    assert (result["id"], result["status"]) == ("m1", "success")
    assert result["result"] == {"echo": {"hours": 72}}
    assert "started_at" in result


def test_a_handler_sees_what_the_platform_says(start: Start, platform: ScriptedPlatform) -> None:
    seen: list[Job] = []
    start(seen.append)
    meta = {
        "execution_id": "7:2026",
        "execution_time": "2026-03-01T08:00:00",
        "due_at": "2026-03-01T00:00:00Z",
        "workflow_name": "daily",
        "windows": {"load": {"begin": "a", "end": "b"}},
        "inputs": {"weather": [1]},
    }
    platform.push("m1", {"type": "execute", "meta": meta, "args": {"hours": 72}}, attempt=2)
    eventually(lambda: seen)
    job = seen[0]
    assert (job.id, job.attempt, job.args) == ("m1", 2, {"hours": 72})
    assert job.windows["load"] == {"begin": "a", "end": "b"}
    assert job.inputs == {"weather": [1]}
    assert (job.workflow_name, job.execution_id) == ("daily", "7:2026")
    assert job.execution_time is not None
    assert job.execution_time.isoformat() == "2026-03-01T08:00:00"
    assert job.due_at is not None
    assert job.due_at.isoformat() == "2026-03-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("message", "args"),
    [
        ("just words", {}),
        ('{"type":"multiple_test","data":[1]}', {"type": "multiple_test", "data": [1]}),
        ({"data": [1]}, {"data": [1]}),
        ([1, 2], {}),
        (17, {}),
    ],
)
def test_a_message_comes_as_it_was_sent(
    start: Start, platform: ScriptedPlatform, message: Any, args: dict[str, Any]
) -> None:
    seen: list[Job] = []
    module = start()
    module.on_message(seen.append)
    platform.push("m1", message)
    eventually(lambda: seen)
    assert (seen[0].message, seen[0].args) == (message, args)


def test_without_a_function_for_messages_the_other_one_gets_them(
    start: Start, platform: ScriptedPlatform
) -> None:
    start()
    platform.push("m1", {"data": [1, 2, 3]})
    eventually(lambda: platform.results)
    assert platform.results[0]["result"] == {"echo": {"data": [1, 2, 3]}}


def test_an_asyncio_handler_works(start: Start, platform: ScriptedPlatform) -> None:
    async def forecast(job: Job) -> list[int]:
        await asyncio.sleep(0.01)
        return [1, 2]

    start(forecast)
    platform.push("m1")
    eventually(lambda: platform.results)
    assert platform.results[0]["result"] == [1, 2]


def test_progress_is_told(start: Start, platform: ScriptedPlatform) -> None:
    def forecast(job: Job) -> None:
        job.progress(40, "fitted")

    start(forecast)
    platform.push("m1")
    eventually(lambda: platform.of_type("progress"))
    told = {"type": "progress", "id": "m1", "percent": 40.0, "note": "fitted"}
    assert platform.of_type("progress") == [told]


def test_a_handler_that_exits_ends_its_job_and_not_the_module(
    start: Start, platform: ScriptedPlatform
) -> None:
    def forecast(job: Job) -> str:
        if job.id == "m1":
            raise SystemExit("the model gave up")
        return "fine"

    start(forecast)
    platform.push("m1")
    platform.push("m2")
    eventually(lambda: len(platform.results) == 2)
    assert [result["status"] for result in platform.results] == ["failure", "success"]


def test_what_has_no_form_in_json_is_a_failure_that_names_its_place(
    start: Start, platform: ScriptedPlatform
) -> None:
    start(lambda job: {"models": [object()]})
    platform.push("m1")
    eventually(lambda: platform.results)
    assert "result.models[0] is a builtins.object" in platform.results[0]["error"]


def test_a_huge_result_becomes_a_failure_before_it_is_sent(
    start: Start, platform: ScriptedPlatform
) -> None:
    start(lambda job: "x" * 10_000_000)
    platform.push("m1")
    eventually(lambda: platform.results)
    assert platform.results[0]["status"] == "failure"
    assert "bytes, and a frame may have 1048576" in platform.results[0]["error"]
    assert platform.handshakes == 1


def test_a_result_that_the_platform_finds_too_big_becomes_a_failure(
    start: Start, platform: ScriptedPlatform
) -> None:
    platform.max_bytes = 1000
    start(lambda job: "x" * 5000)
    platform.push("m1")
    eventually(lambda: platform.results)
    assert platform.results[0]["status"] == "failure"
    assert "refused the result: a message was too big" in platform.results[0]["error"]
    assert platform.handshakes == 2


@pytest.mark.parametrize("named", [{"id": "m1"}, {}])
def test_a_refused_result_becomes_a_failure_and_a_refused_failure_is_let_go(
    start: Start, platform: ScriptedPlatform, named: dict[str, str]
) -> None:
    platform.stores = False
    start()
    refusal = {"status": "error", "code": "3002", "message": "You have no such work.", **named}
    platform.push("m1")
    eventually(lambda: len(platform.results) == 1)
    platform.send(refusal)
    eventually(lambda: len(platform.results) == 2)
    assert "You have no such work." in platform.results[1]["error"]
    platform.send(refusal)
    platform.stores = True
    platform.push("m2")
    eventually(lambda: len(platform.results) == 3)
    assert platform.results[2]["id"] == "m2"


def test_of_several_results_the_one_that_is_too_big_becomes_a_failure(
    start: Start, platform: ScriptedPlatform
) -> None:
    platform.max_bytes = 1000
    together = threading.Barrier(5, timeout=10)

    def forecast(job: Job) -> str:
        together.wait()
        return "x" * (5000 if job.id == "m2" else 5)

    start(forecast, in_flight=5)
    for n in range(5):
        platform.push(f"m{n}")
    eventually(lambda: {result["id"] for result in platform.results} == {f"m{n}" for n in range(5)})
    failed = {result["id"] for result in platform.results if result["status"] == "failure"}
    assert failed == {"m2"}


def test_a_refusal_of_one_of_several_results_hits_the_right_one(
    start: Start, platform: ScriptedPlatform
) -> None:
    platform.refuses = {"m2": "The result is nested too deeply."}
    together = threading.Barrier(5, timeout=10)
    start(lambda job: together.wait(), in_flight=5)
    for n in range(5):
        platform.push(f"m{n}")
    eventually(lambda: any(result["status"] == "failure" for result in platform.results))
    eventually(lambda: {result["id"] for result in platform.results} == {f"m{n}" for n in range(5)})
    failed = {result["id"] for result in platform.results if result["status"] == "failure"}
    assert failed == {"m2"}
    assert {"m0", "m1", "m3", "m4"} <= set(platform.stored)


def test_a_running_job_is_told_that_it_is_cancelled(
    start: Start, platform: ScriptedPlatform
) -> None:
    def forecast(job: Job) -> None:
        assert job.cancelled.wait(10)
        raise Cancelled

    start(forecast)
    platform.push("m1")
    eventually(lambda: platform.of_type("ack"))
    platform.send({"type": "cancel", "id": "m1"})
    eventually(lambda: platform.results)
    assert platform.results[0]["status"] == "cancelled"


def test_a_handler_that_returns_after_it_saw_the_cancel_is_cancelled(
    start: Start, platform: ScriptedPlatform
) -> None:
    def forecast(job: Job) -> str:
        while not job.cancelled:
            threading.Event().wait(0.01)
        return "half of it"

    start(forecast)
    platform.push("m1")
    eventually(lambda: platform.of_type("ack"))
    platform.send({"type": "cancel", "id": "m1"})
    eventually(lambda: platform.results)
    assert platform.results[0]["status"] == "cancelled"


def test_an_asyncio_handler_is_cancelled_where_it_waits(
    start: Start, platform: ScriptedPlatform
) -> None:
    async def forecast(job: Job) -> None:
        await asyncio.sleep(60)

    start(forecast)
    platform.push("m1")
    eventually(lambda: platform.of_type("ack"))
    platform.send({"type": "cancel", "id": "m1"})
    eventually(lambda: platform.results)
    assert platform.results[0]["status"] == "cancelled"


def test_what_has_not_started_is_cancelled_at_once(
    start: Start, platform: ScriptedPlatform
) -> None:
    release, ran = threading.Event(), []

    def forecast(job: Job) -> None:
        ran.append(job.id)
        release.wait(10)

    start(forecast)
    platform.push("m1")
    platform.push("m2")
    eventually(lambda: len(platform.of_type("ack")) == 2)
    platform.send({"type": "cancel", "id": "m2"})
    eventually(lambda: platform.results)
    assert (platform.results[0]["id"], platform.results[0]["status"]) == ("m2", "cancelled")
    release.set()
    eventually(lambda: len(platform.results) == 2)
    assert ran == ["m1"]


def test_jobs_run_beside_each_other_when_the_module_says_so(
    start: Start, platform: ScriptedPlatform
) -> None:
    meeting = threading.Barrier(3, timeout=10)
    start(lambda job: meeting.wait(), in_flight=3)
    for n in range(3):
        platform.push(f"m{n}")
    eventually(lambda: len(platform.results) == 3)
    assert {result["status"] for result in platform.results} == {"success"}


def test_a_thousand_messages_are_answered_once_each(
    start: Start, platform: ScriptedPlatform
) -> None:
    ran: list[str] = []
    start(lambda job: ran.append(job.id), in_flight=8)
    for n in range(1000):
        platform.push(f"m{n}")
    wanted = {f"m{n}" for n in range(1000)}
    eventually(lambda: {result["id"] for result in platform.results} == wanted, 40)
    assert sorted(ran) == sorted(wanted)


def test_heartbeats_go_on_while_a_handler_computes(
    start: Start, platform: ScriptedPlatform
) -> None:
    stop = threading.Event()

    def forecast(job: Job) -> int:
        n = 0
        while not stop.is_set():
            n += 1
        return n

    start(forecast)
    platform.push("m1")
    eventually(lambda: platform.of_type("ack"))
    before = len(platform.heartbeats_at)
    eventually(lambda: len(platform.heartbeats_at) >= before + 10)
    stop.set()
    gaps = [b - a for a, b in zip(platform.heartbeats_at, platform.heartbeats_at[1:])]
    assert max(gaps) < 1.0


def test_a_job_that_runs_long_is_logged_with_its_start(
    start: Start, platform: ScriptedPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()
    start(lambda job: release.wait(10))
    platform.push("m1")
    eventually(lambda: "Job m1 has been running since" in caplog.text)
    release.set()


def test_the_platform_may_ask_whether_the_program_works(
    start: Start, platform: ScriptedPlatform
) -> None:
    start()
    platform.send({"type": "ping", "timestamp": "2026-03-01T12:00:00+00:00"})
    eventually(lambda: platform.of_type("pong"))


def test_frames_of_a_later_platform_are_let_go(start: Start, platform: ScriptedPlatform) -> None:
    start()
    for content in ("words", "[1]", '{"type":"news"}', '{"id":1,"message":null,"extra":{}}'):
        platform.send(content)
    platform.push("m1")
    eventually(lambda: any(result["id"] == "m1" for result in platform.results))
    assert platform.handshakes == 1
