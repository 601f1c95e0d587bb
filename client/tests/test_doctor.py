"""`python -m forecast_module doctor URL` says which step fails, and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scripted_platform import HASH, ScriptedPlatform

from forecast_module import doctor
from forecast_module.doctor import examine

CLIENT_DIR = Path(__file__).resolve().parents[1]
STEPS = ["name", "http", "register", "upgrade", "heartbeat", "work"]


def words(said: str) -> list[tuple[str, str]]:
    lines = [line.split() for line in said.splitlines() if line.startswith(("pass", "fail"))]
    return [(line[0], line[1]) for line in lines]


def test_every_step_passes_on_a_platform_that_works(
    platform: ScriptedPlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examine(platform.url, "doctor-here")
    assert words(capsys.readouterr().out) == [("pass", step) for step in STEPS]
    assert platform.registrations[0]["name"] == "doctor-here"
    assert platform.registrations[0]["missionKind"] == "doctor"
    assert platform.of_type("bye")


def test_what_stays_of_it_is_named_with_the_way_to_remove_it(
    platform: ScriptedPlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examine(platform.url)
    last = capsys.readouterr().out.splitlines()[-1]
    assert (
        last == f"A module of the kind 'doctor' stays: platformctl delete {HASH[:12]} removes it."
    )


def test_the_command_ends_with_0_or_1(platform: ScriptedPlatform) -> None:
    command = [sys.executable, "-m", "forecast_module", "doctor", platform.url]
    done = subprocess.run(command, cwd=CLIENT_DIR, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert f"doctor-{os.uname().nodename} is registered" in done.stdout
    platform.registration_refusals = [(400, "name: too long")]
    done = subprocess.run(command, cwd=CLIENT_DIR, capture_output=True, text=True)
    assert done.returncode == 1
    assert "fail  register   name: too long" in done.stdout


def test_a_host_without_an_address_fails_at_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert not examine("http://no-such-host.invalid:10080")
    said = capsys.readouterr().out
    assert words(said) == [("fail", "name")]
    assert "Check the spelling" in said


def test_a_platform_that_is_down_fails_at_http(
    platform: ScriptedPlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.shut_door()
    assert not examine(platform.url)
    said = capsys.readouterr().out
    assert words(said)[-1] == ("fail", "http")
    assert f"{platform.url}/healthz does not answer: [Errno 111] Connection refused\n" in said


def test_the_address_may_come_from_the_environment(platform: ScriptedPlatform) -> None:
    command = [sys.executable, "-m", "forecast_module", "doctor", "--name", "doctor-there"]
    env = {**os.environ, "FORECAST_PLATFORM": platform.url}
    done = subprocess.run(command, cwd=CLIENT_DIR, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert platform.registrations[0]["name"] == "doctor-there"


def test_a_refused_handshake_fails_at_the_upgrade(
    platform: ScriptedPlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.handshake_refusals = [(502, {})]
    assert not examine(platform.url)
    said = capsys.readouterr().out
    assert words(said)[-1] == ("fail", "upgrade")
    assert "502" in said


def test_frames_that_are_held_back_fail_at_the_heartbeat(
    platform: ScriptedPlatform,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "TIMEOUT_SECONDS", 0.3)
    platform.confirms = False
    assert not examine(platform.url)
    assert words(capsys.readouterr().out)[-1] == ("fail", "heartbeat")


def test_a_result_that_is_not_stored_fails_at_the_work(
    platform: ScriptedPlatform,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "TIMEOUT_SECONDS", 0.3)
    platform.stores = False
    assert not examine(platform.url)
    assert words(capsys.readouterr().out)[-1] == ("fail", "work")


@pytest.mark.parametrize("url", ["platform:10080", "http://platform:99999", "http://platform:x"])
def test_an_address_that_is_none_is_said_to_be_none(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not examine(url)
    assert "The platform's address is like http://platform:10080" in capsys.readouterr().out
