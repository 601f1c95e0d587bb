"""What a running platform was started with wins over what a shell says later."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.context import Platform
from deploy import running
from shared.settings import PROJECT_DIR, Settings


@pytest.fixture
def supervisord(tmp_path: Path) -> Iterator[int]:
    """A process that works in this checkout, as supervisord does."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=PROJECT_DIR
    ) as process:
        yield process.pid
        process.communicate(b"\n")


def write_start(var_dir: Path, pid: int, **values: str) -> None:
    (var_dir / "run").mkdir(parents=True)
    (var_dir / "run" / "supervisord.pid").write_text(f"{pid}\n")
    lines = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    text = "\n".join([*lines, "export STARTED_BOOT=x", ""])
    (var_dir / "run" / "started.env").write_text(text)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shell that names VAR_DIR, and another SERVER_PORT than the platform was started with."""
    var_dir = tmp_path / "its var"
    for name, value in {"DEBUG": "True", "VAR_DIR": str(var_dir), "SERVER_PORT": "22080"}.items():
        monkeypatch.setenv(name, value)
    return var_dir


def test_a_command_works_with_the_platform_that_runs_and_says_what_differs(
    shell: Path, supervisord: int, capsys: pytest.CaptureFixture[str]
) -> None:
    write_start(shell, supervisord, SERVER_PORT="23080", MONGODB_PORT="10082", NODE_NAME="it's a b")
    platform = Platform()
    platform.is_command = True
    assert (platform.settings.server_port, platform.configured.server_port) == (23080, 22080)
    assert platform.settings.node_name == "it's a b"
    said = capsys.readouterr().err
    assert "SERVER_PORT is 23080 in the running platform, 22080 here (environment)" in said
    assert "MONGODB_PORT" not in said


def test_a_start_whose_process_is_gone_or_another_ones_is_forgotten(
    shell: Path, supervisord: int
) -> None:
    write_start(shell, 2**22 + 1, SERVER_PORT="23080")
    assert running.read_started(shell) == {}
    with subprocess.Popen(["sleep", "60"], cwd="/") as other:
        (shell / "run" / "supervisord.pid").write_text(f"{other.pid}\n")
        assert Platform().settings.server_port == 22080
        other.kill()
    (shell / "run" / "supervisord.pid").write_text(f"{supervisord}\n")
    assert Platform().settings.server_port == 23080


def test_where_nothing_was_started_there_is_nothing_to_read(tmp_path: Path) -> None:
    assert running.read_started(tmp_path / "never") == {}


def test_another_database_server_is_a_difference(settings: Settings) -> None:
    (sentence,) = running.tell_differences({"DATABASE_SERVER": "embedded"}, settings)
    assert "embedded in the running platform, external here" in sentence


def test_a_secret_that_differs_is_not_shown(settings: Settings) -> None:
    now = replace(settings, secret_key="now")
    (sentence,) = running.tell_differences({"SECRET_KEY": "before"}, now)
    assert "now" not in sentence
    assert "before" not in sentence
