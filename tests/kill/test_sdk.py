"""A module on the SDK ends every message once, whatever becomes of platform, network or program."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from forecast_module import Job
from forecast_module.doctor import examine

from shared.clock import utc_now
from shared.domain.actor import PLATFORM
from shared.settings import PROJECT_DIR
from tests.support.asking import ask
from tests.support.eventually import eventually
from tests.support.proxy import Proxy
from tests.support.running_platform import RunningPlatform
from tests.support.sdk_modules import SdkModule, all_succeeded

pytestmark = pytest.mark.kill

MakeSdkModule = Callable[..., SdkModule]


@pytest.fixture
def make_sdk_module(platform: RunningPlatform, tmp_path: Path) -> Iterator[MakeSdkModule]:
    """Makes modules that are gone after the test."""
    made: list[SdkModule] = []

    def make(**options: Any) -> SdkModule:
        made.append(SdkModule(platform, tmp_path, **options))
        made[-1].come_up()
        return made[-1]

    yield make
    for one in made:
        one.released.set()
        one.module.stop()


@pytest.fixture
def front(platform: RunningPlatform) -> Iterator[Proxy]:
    """A network between programs and nginx."""
    opened = Proxy(platform.network, platform.port)
    yield opened
    opened.restore()
    opened.close()


def test_a_queue_is_worked_off_and_each_message_runs_once(make_sdk_module: MakeSdkModule) -> None:
    one = make_sdk_module(in_flight=4)
    one.send(100)
    assert all_succeeded(one.wait_for_results())
    assert set(one.ran.values()) == {1}


def test_killed_wsds_cost_no_message_and_no_second_run(
    platform: RunningPlatform, make_sdk_module: MakeSdkModule
) -> None:
    one = make_sdk_module(in_flight=4)
    for node in platform.nodes * 2:
        one.send(50)
        eventually(lambda: one.results().keys() & set(one.sent[-50:]), 20)
        node.kill()
        one.send(50)
        node.come_up()
    assert all_succeeded(one.wait_for_results(60))
    assert set(one.ran.values()) == {1}


def test_a_restart_of_the_platform_during_a_job_changes_nothing(
    platform: RunningPlatform, make_sdk_module: MakeSdkModule
) -> None:
    one = make_sdk_module()
    one.released.clear()
    [message_id] = one.send()
    eventually(lambda: one.ran[message_id])
    for node in platform.nodes:
        node.stop()
    platform.nginx.kill()
    one.released.set()
    platform.mend()
    assert all_succeeded(one.wait_for_results())
    assert one.ran[message_id] == 1


def test_a_connection_cut_during_a_job_changes_nothing(
    front: Proxy, make_sdk_module: MakeSdkModule
) -> None:
    one = make_sdk_module(url=f"http://127.0.0.1:{front.port}", in_flight=2)
    one.released.clear()
    one.send(2)
    eventually(lambda: len(one.ran) == 2)
    front.cut()
    one.send(2)
    one.released.set()
    assert all_succeeded(one.wait_for_results())
    assert set(one.ran.values()) == {1}


def test_a_network_that_goes_silent_is_found_out_and_nothing_is_lost(
    front: Proxy, make_sdk_module: MakeSdkModule
) -> None:
    one = make_sdk_module(url=f"http://127.0.0.1:{front.port}")
    one.released.clear()
    [message_id] = one.send()
    eventually(lambda: one.ran[message_id])
    front.stall()
    one.released.set()
    eventually(lambda: not one.module.is_connected, 20)
    front.restore()
    assert all_succeeded(one.wait_for_results())
    assert one.ran[message_id] == 1


def test_a_database_killed_while_results_come_loses_none(
    platform: RunningPlatform, make_sdk_module: MakeSdkModule
) -> None:
    one = make_sdk_module(in_flight=4)
    one.released.clear()
    one.send(20)
    eventually(lambda: len(one.ran) == 4)
    platform.database.kill()
    one.released.set()
    platform.mend()
    assert all_succeeded(one.wait_for_results(60))
    assert set(one.ran.values()) == {1}


def test_messages_for_a_module_that_is_away_wait_for_it(
    platform: RunningPlatform, make_sdk_module: MakeSdkModule
) -> None:
    one = make_sdk_module()
    one.module.stop()
    eventually(lambda: platform.stored(one.module_hash).session is None)
    one.send(3)
    one.come_up()
    assert all_succeeded(one.wait_for_results())


def test_a_program_killed_in_a_job_runs_it_again_when_it_is_back(
    platform: RunningPlatform, make_sdk_module: MakeSdkModule, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    notes.touch()
    script = PROJECT_DIR / "client" / "tests" / "support" / "module_program.py"
    arguments = [sys.executable, str(script), platform.url, str(tmp_path), str(notes)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_DIR / "client")}
    sender = make_sdk_module(name="program")  # registers the module, and leaves
    sender.module.stop()
    eventually(lambda: platform.stored(sender.module_hash).session is None)
    sender.send()
    program = subprocess.Popen([*arguments, "60"], env=environment)
    try:
        eventually(lambda: "started" in notes.read_text(), 20)
    finally:
        program.kill()
        program.wait()
    program = subprocess.Popen([*arguments, "0"], env=environment)
    try:
        assert all_succeeded(sender.wait_for_results())
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait(20)
    assert notes.read_text().count("started") == 2
    assert notes.read_text().count("ended") == 1


def test_the_doctor_passes_every_step(
    platform: RunningPlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examine(platform.url, "doctor-of-the-tests")
    lines = capsys.readouterr().out.splitlines()
    passed = [line for line in lines if line.startswith("pass")]
    assert len(passed) == 6
    assert "its result was stored and read back" in passed[-1]


def test_work_that_is_not_wanted_any_more_stops_its_handler(
    platform: RunningPlatform, make_sdk_module: MakeSdkModule
) -> None:
    one = make_sdk_module()

    @one.module.on_execute
    def wait_for_the_end(job: Job) -> None:
        one.ran[job.id] += 1
        job.progress(40, "fitted")
        job.cancelled.wait(60)

    [message_id] = one.send()
    eventually(lambda: one.ran[message_id])
    platform.store.messages.request_cancel([message_id], PLATFORM, utc_now())
    [result] = one.wait_for_results()
    assert (result.status, result.is_by_module) == ("cancelled", True)


def test_what_a_handler_raises_is_read_by_a_consumer(
    platform: RunningPlatform, make_sdk_module: MakeSdkModule
) -> None:
    one = make_sdk_module()

    @one.module.on_execute
    def fail(job: Job) -> None:
        raise ValueError("no data for the 1st of March")

    [message_id] = one.send()
    one.wait_for_results()
    found = ask(platform.port, f"/result/{message_id}").result
    assert found["status"] == "failure"
    assert found["error"] == "ValueError: no data for the 1st of March"


def test_a_result_that_is_not_json_by_the_letter_is_read_as_null(
    platform: RunningPlatform, make_sdk_module: MakeSdkModule
) -> None:
    one = make_sdk_module()
    one.module.on_execute(lambda job: {"values": numpy.array([1.5, numpy.nan])})
    [message_id] = one.send()
    one.wait_for_results()
    found = ask(platform.port, f"/result/{message_id}").result
    assert found["content"] == {"values": [1.5, None]}
