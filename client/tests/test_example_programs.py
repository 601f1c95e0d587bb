"""What people hear of the example programs when they start them, and when something is wrong."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from node_program import node_command
from scripted_platform import HASH, ScriptedPlatform, eventually

CLIENT_DIR = Path(__file__).resolve().parents[1]
EXAMPLES = CLIENT_DIR.parent / "examples"
MODULES = ["client_connect.py", "forecast_with_sdk.py", "client.mjs"]
ALL = ["register.py", *MODULES]
READERS = ["register.py", "client.mjs"]  # the others read their words as register.py does

Run = Callable[..., "Running"]


class Running:
    """A program that was started, and what it says."""

    def __init__(self, command: list[str], folder: Path, env: dict[str, str]) -> None:
        self._log = folder / f"{len(list(folder.iterdir()))}.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def said(self) -> str:
        """Return what it has said so far."""
        return self._log.read_text()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return where it says so."""
        return eventually(lambda: re.search(pattern, self.said), 30)

    def end(self) -> tuple[int, str]:
        """Wait until it ends by itself; return its exit code and what it said."""
        return self.process.wait(30), self.said


@pytest.fixture
def run(platform: ScriptedPlatform, tmp_path: Path) -> Iterator[Run]:
    """Start an example in an empty folder, as a user does; it ends before the platform does."""
    started: list[Running] = []
    ours = {"PYTHONPATH": str(CLIENT_DIR), "FORECAST_STATE_DIR": str(tmp_path / "state")}
    env = {name: value for name, value in os.environ.items() if name != "FORECAST_PLATFORM"}
    folder = tmp_path / "folder"
    folder.mkdir()

    def run_one(example: str | Path, *words: str, **more: str) -> Running:
        path = EXAMPLES / example  # an absolute path stays as it is
        is_node = path.suffix == ".mjs"
        command = [*(node_command(tmp_path)[:-1] if is_node else [sys.executable]), str(path)]
        started.append(Running([*command, *words], folder, env | ours | more))
        return started[-1]

    yield run_one
    for one in started:
        one.process.kill()
        one.process.wait()


def test_the_hash_is_kept(run: Run, platform: ScriptedPlatform, tmp_path: Path) -> None:
    code, said = run("register.py", "mine", platform.url).end()
    assert (code, said) == (0, f"mine is registered: {HASH} (kept in module_hash.txt)\n")
    assert (tmp_path / "folder" / "module_hash.txt").read_text() == HASH


def test_a_kept_module_is_the_one_that_connects(run: Run, platform: ScriptedPlatform) -> None:
    run("register.py", "mine", platform.url).end()
    run("client_connect.py", platform.url).wait_for("connected")
    assert len(platform.registrations) == 1


def test_the_name_that_is_given_wins_over_the_kept_one(
    run: Run, platform: ScriptedPlatform, tmp_path: Path
) -> None:
    run("register.py", "mine", platform.url).end()
    run("client_connect.py", "other", platform.url).wait_for("connected")
    assert [registration["name"] for registration in platform.registrations] == ["mine", "other"]
    assert (tmp_path / "folder" / "module_name.txt").read_text() == "mine"


def test_a_kept_module_that_the_platform_does_not_know_registers_under_its_name(
    run: Run, platform: ScriptedPlatform
) -> None:
    run("register.py", "mine", platform.url).end()
    platform.handshake_refusals = [(404, {})]
    run("client_connect.py", platform.url).wait_for("heartbeat confirm")
    assert [registration["name"] for registration in platform.registrations] == ["mine", "mine"]


def test_the_smallest_module_answers_work_too(run: Run, platform: ScriptedPlatform) -> None:
    run("client_connect.py", platform.url).wait_for("heartbeat confirm")
    platform.push("m1", {"hours": 3})
    result = eventually(lambda: platform.results)[0]
    assert (result["id"], result["result"]) == ("m1", {"answer_to": {"hours": 3}})


@pytest.mark.parametrize("example", READERS)
@pytest.mark.parametrize("line", ["SERVER_PORT={port} # ours", "export FORECAST_PLATFORM='{url}'"])
def test_the_address_may_stand_in_the_env_file(
    example: str, line: str, run: Run, platform: ScriptedPlatform, tmp_path: Path
) -> None:
    text = f"# SERVER_PORT=1\n{line.format(port=platform.port, url=platform.url)}\n"
    (tmp_path / "folder" / ".env").write_text(text)
    run(example)
    eventually(lambda: platform.registrations, 30)


@pytest.mark.parametrize("example", READERS)
def test_an_env_file_that_cannot_be_read_gives_way_to_the_checkouts(
    example: str, run: Run, platform: ScriptedPlatform, tmp_path: Path
) -> None:
    (tmp_path / "folder" / ".env").mkdir()  # no user can read that, not even root
    copy = shutil.copytree(EXAMPLES, tmp_path / "checkout" / "examples") / example
    (tmp_path / "checkout" / ".env").write_text(f"SERVER_PORT={platform.port}\n")
    run(copy)
    eventually(lambda: platform.registrations, 30)


@pytest.mark.parametrize("example", READERS)
def test_the_address_alone_is_enough(example: str, run: Run, platform: ScriptedPlatform) -> None:
    run(example, f"127.0.0.1:{platform.port}")
    registration = eventually(lambda: platform.registrations, 30)[0]
    assert "127.0.0.1" not in registration["name"]


@pytest.mark.parametrize("example", READERS)
def test_the_address_that_is_given_wins_over_the_environment(
    example: str, run: Run, platform: ScriptedPlatform
) -> None:
    run(example, platform.url, FORECAST_PLATFORM="http://127.0.0.1:1")
    eventually(lambda: platform.registrations, 30)


@pytest.mark.parametrize("example", MODULES)
def test_a_module_waits_for_a_platform_that_is_away(
    example: str, run: Run, platform: ScriptedPlatform
) -> None:
    platform.shut_door()
    running = run(example, platform.url)
    running.wait_for("next attempt in")
    assert platform.url in running.said
    assert "Traceback" not in running.said
    platform.open_door()
    eventually(lambda: platform.registrations, 30)


@pytest.mark.parametrize("example", ALL)
def test_words_that_are_refused_end_a_program_with_the_platforms_sentence(
    example: str, run: Run, platform: ScriptedPlatform
) -> None:
    platform.registration_refusals = [(400, "name must not be empty.")]
    code, said = run(example, "mine", platform.url).end()
    assert code == 1
    assert "name must not be empty." in said
    assert "Traceback" not in said


@pytest.mark.parametrize("example", ALL)
def test_another_program_at_the_address_is_no_traceback(
    example: str, run: Run, platform: ScriptedPlatform
) -> None:
    platform.is_another_program = True
    running = run(example, platform.url)
    running.wait_for("is this its port|is it its address")  # the SDK's words are the second
    assert "Traceback" not in running.said


@pytest.mark.parametrize("example", ["client_connect.py", "client.mjs"])
def test_a_disabled_module_looks_again_after_ten_minutes(
    example: str, run: Run, platform: ScriptedPlatform
) -> None:
    running = run(example, platform.url)
    running.wait_for("connected")
    platform.close_socket(4523, "an operator disabled the module")
    assert 600 <= float(running.wait_for(r"next attempt in ([\d.]+) s")[1]) <= 602
    assert "an operator disabled the module" in running.said


def test_a_disabled_module_that_starts_in_node_looks_again_after_ten_minutes(
    run: Run, platform: ScriptedPlatform
) -> None:
    platform.is_enabled = False
    running = run("client.mjs", platform.url)
    assert 600 <= float(running.wait_for(r"next attempt in ([\d.]+) s")[1]) <= 602
    assert platform.handshakes == 0


@pytest.mark.parametrize(("status", "header", "least"), [(403, "", 600), (429, "30", 30)])
def test_a_refused_handshake_is_tried_again_when_the_platform_says(
    status: int, header: str, least: float, run: Run, platform: ScriptedPlatform
) -> None:
    platform.handshake_refusals = [(status, {"Retry-After": header} if header else {})]
    running = run("client_connect.py", platform.url)
    assert least <= float(running.wait_for(r"next attempt in ([\d.]+) s")[1]) <= least + 2
    assert f"disconnected: {status} Not now." in running.said


def test_a_handshake_that_is_refused_in_node_is_tried_again_soon(
    run: Run, platform: ScriptedPlatform
) -> None:
    platform.handshake_refusals = [(503, {})]
    run("client.mjs", platform.url).wait_for("connected")
    assert platform.handshakes == 2


def test_node_takes_the_port_for_browsers_where_it_refuses_to_open_the_usual_one(
    run: Run,
) -> None:
    said = run("client.mjs", "http://no-such-host.invalid:10080").wait_for(
        "not registered at (.+): no"
    )
    assert said[1] == "http://no-such-host.invalid:10088"


@pytest.mark.parametrize("words", [("a", "b"), ("--help",), ("ws://127.0.0.1:1",)])
def test_what_is_no_name_and_no_address_is_said(words: tuple[str, ...], run: Run) -> None:
    code, said = run("register.py", *words).end()
    assert code == 2
    assert len(said.splitlines()) == 1


def make_hasty(example: str, folder: Path) -> Path:
    """Copy the examples, with every time of one of them 60 times shorter; return its copy."""
    shutil.copytree(EXAMPLES, folder / "examples")
    copy = folder / "examples" / example
    times = r"((?:HEARTBEAT|CONFIRM|LONGEST_PAUSE)_(?:MS|SECONDS) = )([\d_]+)"
    copy.write_text(
        re.sub(times, lambda found: f"{found[1]}{int(found[2]) / 60}", copy.read_text())
    )
    return copy


@pytest.mark.parametrize("example", ["client_connect.py", "client.mjs"])
def test_a_connection_on_which_no_heartbeat_is_confirmed_is_given_up(
    example: str, run: Run, platform: ScriptedPlatform, tmp_path: Path
) -> None:
    platform.confirms = False
    running = run(make_hasty(example, tmp_path), platform.url)
    running.wait_for("no heartbeat was confirmed")
    platform.confirms = True
    eventually(lambda: platform.handshakes >= 2, 30)
