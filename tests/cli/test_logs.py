"""platformctl logs: all programs in the order of time, filtered, followed, as text or JSON."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from cli.context import Platform
from cli.main import cli
from shared.clock import utc_now
from shared.settings import PROJECT_DIR, Settings
from tests.support.eventually import eventually


def line(minutes_ago: float, event: str, **fields: object) -> str:
    at = (utc_now() - timedelta(minutes=minutes_ago)).isoformat()
    return (
        orjson.dumps({"event": event, "level": "info", "timestamp": at, **fields}).decode() + "\n"
    )


@pytest.fixture
def directory(settings: Settings) -> Path:
    """Logs of five programs, one of them rotated."""
    logs = settings.var_dir / "logs"
    logs.mkdir()
    contents = {
        "api.log.1": line(50, "long ago"),
        "api.log": line(20, "started") + line(3, "refused", reason="no", hash="1f" * 4),
        "wsd_0.log": line(10, "enrolled"),
        "wsd_1.log": line(2, "listening"),
        "nginx-access.log": line(1, "GET /"),
        "nginx-error.log": line(1, "alert"),
        "install.log": "Collecting everything\n",
    }
    for name, content in contents.items():
        (logs / name).write_text(content)
    return logs


@pytest.fixture
def logs(settings: Settings, directory: Path) -> Callable[..., Result]:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["logs", *arguments], obj=Platform(settings))

    return run


def events(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [str(orjson.loads(text)["event"]) for text in result.stdout.splitlines()]


def test_lines_stand_in_the_order_of_time(logs: Callable[..., Result]) -> None:
    assert events(logs("--json")) == [
        *("long ago", "started", "enrolled", "refused", "listening", "alert"),
    ]


def test_a_line_is_readable(logs: Callable[..., Result]) -> None:
    (text,) = [line for line in logs("api").stdout.splitlines() if "refused" in line]
    at, _, rest = text.partition("Z ")
    assert len(at) == len("2026-11-21 21:32:16.141")
    assert rest == "api          info     refused  reason=no  hash=1f1f1f1f"


def test_only_what_was_asked_for_is_shown(logs: Callable[..., Result]) -> None:
    assert events(logs("wsd", "--json")) == ["enrolled", "listening"]
    assert events(logs("wsd_1", "--json")) == ["listening"]
    assert sorted(events(logs("nginx", "--json"))) == ["GET /", "alert"]
    assert events(logs("--since", "15m", "--json")) == ["enrolled", "refused", "listening", "alert"]
    assert events(logs("-n", "2", "--json")) == ["listening", "alert"]


def test_a_log_that_is_not_there_is_told_with_those_that_are(logs: Callable[..., Result]) -> None:
    result = logs("apo")
    assert result.exit_code == 1
    assert (
        "apo has no log; there are: api, nginx-access, nginx-error, wsd_0, wsd_1." in result.stderr
    )


@pytest.fixture
def following(directory: Path, tmp_path: Path) -> Iterator[Path]:
    """A file that `logs --follow` writes to, from a process of its own."""
    output = tmp_path / "output"
    command = [sys.executable, "-m", "cli.main", "logs", "--follow", "--directory", str(directory)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with output.open("wb") as file:
        process = subprocess.Popen(command, cwd=PROJECT_DIR, env=environment, stdout=file)
        eventually(lambda: "alert" in output.read_text())
        yield output
        process.kill()
        process.wait()


def test_following_goes_on_across_a_rotation_and_with_new_programs(
    following: Path, directory: Path
) -> None:
    def write(name: str, event: str) -> None:
        with (directory / name).open("a") as file:
            file.write(line(0, event))

    write("api.log", "before the rotation")
    (directory / "api.log").rename(directory / "api.log.2")
    write("api.log", "after the rotation")
    write("worker_0.log", "a new program")
    for event in ("before the rotation", "after the rotation", "a new program"):
        eventually(lambda event=event: following.read_text().count(event) == 1)
    (directory / "wsd_0.log").write_text("")
    write("api.log", "a look later")
    eventually(lambda: "a look later" in following.read_text())
    write("wsd_0.log", "after it was emptied")
    eventually(lambda: "after it was emptied" in following.read_text())
