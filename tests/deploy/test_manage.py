"""manage.sh before it does anything: what it refuses, in one sentence, without an environment."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.settings import PROJECT_DIR

NOBODY = 65534
Manage = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def checkout() -> Iterator[Path]:
    """The scripts alone, where every user may look."""
    directory = Path(tempfile.mkdtemp(prefix="forecast-manage-"))
    directory.chmod(0o755)
    (directory / "deploy").mkdir()
    shutil.copy(PROJECT_DIR / "manage.sh", directory)
    for script in (PROJECT_DIR / "deploy").glob("*.sh"):
        shutil.copy(script, directory / "deploy")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def manage(checkout: Path) -> Manage:
    def run(*arguments: str, user: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        command = [*user, "bash", str(checkout / "manage.sh"), *arguments]
        env = {"PATH": os.environ["PATH"]}
        return subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=30, check=False
        )

    return run


def test_a_mistyped_command_is_one_sentence_with_the_nearest(manage: Manage) -> None:
    done = manage("stauts")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "manage.sh: there is no command stauts, but status; ./manage.sh help lists them all.\n"
    )
    assert manage("nonsense").stderr == (
        "manage.sh: there is no command nonsense; ./manage.sh help lists them all.\n"
    )


def test_every_command_may_be_the_nearest() -> None:
    script = (PROJECT_DIR / "manage.sh").read_text(encoding="utf-8")
    (line,) = re.findall(r"^VERBS=\((.*)\)$", script, re.MULTILINE)
    cases = script[script.rindex("case $verb in") :]
    patterns = re.findall(r"^  ([a-z][a-z| -]*)\)", cases, re.MULTILINE)
    words = {word for pattern in patterns for word in pattern.split(" | ") if word[0] != "-"}
    assert {"logs-follow", "up", "lock"} <= words
    assert words <= set(line.split())


def test_up_knows_nothing_but_a_port(manage: Manage) -> None:
    assert "up knows only --port N, not --prot 1." in manage("up", "--prot", "1").stderr
    assert "--no-nginx is gone" in manage("up", "--no-nginx").stderr


@pytest.mark.parametrize("verb", ["up", "down", "restart", "status", "logs", "deploy"])
def test_another_users_platform_is_named_and_left_alone(
    manage: Manage, checkout: Path, verb: str
) -> None:
    env_file = checkout / ".env"
    env_file.touch(mode=0o600)
    (checkout / "var" / "run").mkdir(parents=True)
    (checkout / "var" / "run" / "supervisord.pid").write_text(f"{os.getpid()}\n")
    user: tuple[str, ...] = ()
    if os.geteuid() == 0:
        user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    else:
        env_file.chmod(0)  # even its owner may not read it now
    done = manage(verb, user=user)
    assert (done.returncode, done.stdout) == (1, "")
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(
        f"manage.sh: This platform belongs to {checkout.owner()}, and runs: "
    )
    assert (checkout / "var" / "run" / "supervisord.pid").exists()
