"""The example modules, in Python and in Node, do what docs/protocol.md says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_program import node_command
from scripted_platform import ScriptedPlatform, eventually

CLIENT_DIR = Path(__file__).resolve().parents[1]
EXAMPLES = CLIENT_DIR.parent / "examples"


@pytest.fixture(params=["client.mjs", "forecast_with_sdk.py"])
def example(
    request: pytest.FixtureRequest, platform: ScriptedPlatform, tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """An example's program, connected."""
    python = [sys.executable, str(EXAMPLES / "forecast_with_sdk.py")]
    program = node_command(tmp_path) if request.param == "client.mjs" else python
    command = [*program, "load-example", platform.url]
    ours = {"PYTHONPATH": str(CLIENT_DIR), "FORECAST_STATE_DIR": str(tmp_path)}
    running = subprocess.Popen(command, env={**os.environ, **ours})
    eventually(lambda: platform.hellos, 30)
    yield running
    running.kill()
    running.wait()


def test_an_example_registers_says_hello_and_heartbeats(
    example: subprocess.Popen[bytes], platform: ScriptedPlatform
) -> None:
    assert platform.registrations[0]["name"] == "load-example"
    assert platform.registrations[0]["missionKind"] == "load"
    assert (platform.hellos[0]["acks"], platform.hellos[0]["in_flight"]) == (True, 1)
    eventually(lambda: platform.heartbeats_at)


def test_an_example_acknowledges_and_answers(
    example: subprocess.Popen[bytes], platform: ScriptedPlatform
) -> None:
    platform.push("m1", {"type": "execute", "meta": {}, "args": {"hours": 2}})
    eventually(lambda: platform.results)
    assert platform.of_type("ack") == [{"type": "ack", "id": "m1"}]
    assert (platform.results[0]["id"], platform.results[0]["status"]) == ("m1", "success")


def test_an_example_answers_what_comes_twice_with_the_same_result(
    example: subprocess.Popen[bytes], platform: ScriptedPlatform
) -> None:
    platform.push("m1")
    eventually(lambda: len(platform.results) == 1)
    platform.push("m1", attempt=2)
    eventually(lambda: len(platform.results) == 2)
    assert platform.results[0] == platform.results[1]


def test_an_example_sends_a_result_again_until_it_is_stored(
    example: subprocess.Popen[bytes], platform: ScriptedPlatform
) -> None:
    platform.stores = False
    platform.push("m1", "words")
    eventually(lambda: len(platform.results) == 1)
    platform.stores = True
    platform.cut()
    eventually(lambda: len(platform.results) == 2)
    assert platform.handshakes == 2


def test_an_example_answers_the_platforms_question(
    example: subprocess.Popen[bytes], platform: ScriptedPlatform
) -> None:
    platform.send({"type": "ping", "timestamp": "2026-03-01T12:00:00+00:00"})
    eventually(lambda: platform.of_type("pong"))


def test_a_refused_result_is_let_go_by_an_example(
    example: subprocess.Popen[bytes], platform: ScriptedPlatform
) -> None:
    platform.stores = False
    platform.push("m1", "words")
    eventually(lambda: len(platform.results) == 1)
    platform.send({"status": "error", "code": "3002", "message": "You have no such work."})
    platform.stores = True
    platform.push("m2", "words")
    eventually(lambda: any(result["id"] == "m2" for result in platform.results))


def test_a_node_without_websockets_is_told_what_to_do(tmp_path: Path) -> None:
    script = "delete globalThis.WebSocket; await import(process.argv.pop());"
    copy = shutil.copy(EXAMPLES / "client.mjs", tmp_path)  # no package ws is near it
    command = ["node", "--input-type=module", "--eval", script, "--", copy]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("This Node has no WebSocket: ")
    assert len(done.stderr.splitlines()) == 1


def test_the_example_in_node_says_which_platform_does_not_answer(
    platform: ScriptedPlatform, tmp_path: Path
) -> None:
    platform.shut_door()
    command = [*node_command(tmp_path), "load-example", platform.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = running.stdout.readline()
        running.kill()
    assert said.startswith(f"not registered at {platform.url}: ")
    assert "ECONNREFUSED" in said


def test_a_registration_without_a_platform_ends_with_a_sentence(
    platform: ScriptedPlatform, tmp_path: Path
) -> None:
    platform.shut_door()
    command = [sys.executable, str(EXAMPLES / "register.py")]
    env = {**os.environ, "FORECAST_PLATFORM": platform.url}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{platform.url} does not answer (")
    assert len(done.stderr.splitlines()) == 1
