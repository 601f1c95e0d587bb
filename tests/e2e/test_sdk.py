"""The README's first day: two modules on the SDK, a workflow of two steps, a consumer, a doctor."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import PROJECT_DIR, Platform, eventually

pytestmark = pytest.mark.e2e

CLIENT = {**os.environ, "PYTHONPATH": str(PROJECT_DIR / "client")}


@contextmanager
def sdk_modules(platform: Platform, directory: Path, *names: str) -> Iterator[None]:
    """Run the example under these names, until they are online."""
    script = str(PROJECT_DIR / "examples" / "forecast_with_sdk.py")
    env = CLIENT | {"FORECAST_STATE_DIR": str(directory)}
    programs = [
        subprocess.Popen([sys.executable, script, name, platform.url("")], env=env)
        for name in names
    ]
    try:
        eventually(lambda: set(names) <= platform.online().keys())
        yield
    finally:
        for program in programs:
            program.terminate()
        assert [program.wait(20) for program in programs] == [0] * len(names)


def test_two_modules_answer_a_workflow_and_a_consumer_reads_it(
    platform: Platform, tmp_path: Path
) -> None:
    with sdk_modules(platform, tmp_path, "weather", "load-72h"):
        said = platform.run("platformctl", "send", "load-72h", '{"hours": 3}', "--wait").stdout
        assert json.loads(said) == {"unit": "MW", "values": [1000.0, 1051.8, 1100.0]}
        example = str(PROJECT_DIR / "examples" / "workflow.yaml")
        platform.run("platformctl", "workflow", "create", example)
        platform.run("platformctl", "workflow", "run", "load-tomorrow")
        latest = eventually(lambda: read_latest(platform))
    assert latest["module_name"] == "load-72h"
    assert latest["content"]["unit"] == "MW"
    eventually(lambda: not {"weather", "load-72h"} & platform.online().keys())


def read_latest(platform: Platform) -> dict[str, object] | None:
    """Return the newest forecast of load that a workflow asked for."""
    found = platform.ask("/results/latest?missionKind=load").envelope["result"]
    return next((item for item in found if item["workflow_id"]), None)


def test_the_sdks_doctor_finds_nothing_wrong(platform: Platform) -> None:
    command = [sys.executable, "-m", "forecast_module", "doctor", platform.url("")]
    done = subprocess.run(command, env=CLIENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("pass") == 6
