"""The real process: how it starts, what it says when it cannot work, and how it draws."""

import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from shared.services.module_admin import close_module
from shared.settings import PROJECT_DIR, Settings
from tests.support.builders import ACTOR
from tests.support.database_server import DatabaseServer
from tests.support.deafness import NO_ENV_FILE
from tests.support.ports import free_port
from tests.support.registry import Registry

PLATFORMCTL = [sys.executable, "-P", "-m", "cli.main"]
Start = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The environment of a shell in which the test's database is set."""
    return {
        **NO_ENV_FILE,
        "VAR_DIR": str(settings.var_dir),
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(PROJECT_DIR),
        "TERM": "xterm",
        "DEBUG": "True",
        "MONGODB_HOST": settings.mongodb_host,
        "MONGODB_NAME": settings.mongodb_name,
    }


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Start:
    """Run a command to its end in a process of its own, from some other directory."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PLATFORMCTL, *arguments],
            env=environment | variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


def test_every_bad_setting_is_named_at_once(start: Start) -> None:
    ended = start("list", API_PORT="high", WSD_PROCESSES="0", LEASE_SECONDS="-1")
    assert (ended.returncode, ended.stdout) == (1, "")
    for name in ("API_PORT", "WSD_PROCESSES", "LEASE_SECONDS"):
        assert name in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["show", "message show", "send load", "events --actor"])
def test_an_argument_that_is_not_utf8_is_one_sentence(start: Start, command: str) -> None:
    ended = start(*command.split(), os.fsdecode(b"caf\xe9"))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "The argument 'caf\\udce9' is not UTF-8" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "command", ["list", "show 12345678", "events", "expire --yes", "init-db", "export -"]
)
def test_a_database_that_is_down_is_one_sentence_and_exit_code_3(
    start: Start, command: str
) -> None:
    port = free_port()
    address = f"mongodb://root:secret@127.0.0.1:{port}/?directConnection=true"
    started = time.monotonic()
    ended = start(*command.split(), MONGODB_HOST=address)
    assert time.monotonic() - started < 4
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr == (
        f"Error: The database at 127.0.0.1:{port} does not answer: "
        "check that it runs, and MONGODB_HOST in .env.\n"
    )


def test_our_own_database_that_is_down_is_started_with_up(start: Start) -> None:
    port = str(free_port())
    ended = start("list", MONGODB_HOST="", MONGODB_PORT=port, MONGOD_BIN="")
    assert ended.returncode == 3
    assert f"127.0.0.1:{port} does not answer: start it with ./manage.sh up." in ended.stderr


@pytest.fixture
def frozen_server(tmp_path: Path) -> Iterator[DatabaseServer]:
    """A database server that takes connections and never answers."""
    server = DatabaseServer(tmp_path)
    server.start()
    server.freeze()
    yield server
    server.kill()


def test_a_database_that_is_frozen_is_not_waited_for(
    start: Start, frozen_server: DatabaseServer
) -> None:
    started = time.monotonic()
    ended = start("list", MONGODB_HOST=frozen_server.uri)
    assert ended.returncode == 3
    assert time.monotonic() - started < 5


def test_init_db_waits_for_a_server_that_is_only_starting(start: Start, tmp_path: Path) -> None:
    server = DatabaseServer(tmp_path)
    waiting = subprocess.Popen(
        [*PLATFORMCTL, "init-db", "--wait", "20"],
        env=os.environ
        | {"PYTHONPATH": str(PROJECT_DIR), "DEBUG": "True", "MONGODB_HOST": server.uri},
        cwd=tmp_path,
    )
    time.sleep(1)  # the server starts later than the command
    server.start()
    try:
        assert waiting.wait(timeout=20) == 0
    finally:
        server.kill()


def test_version_and_help_need_no_settings(start: Start) -> None:
    assert start("--version", API_PORT="high").stdout.startswith("platformctl, version ")
    helped = start("-h", API_PORT="high")
    assert helped.returncode == 0
    assert "doctor" in helped.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_the_shell(start: Start, shell: str) -> None:
    ended = start("completion", shell)
    assert ended.returncode == 0
    assert "_PLATFORMCTL_COMPLETE" in ended.stdout


def test_the_shell_completes_commands_and_states(start: Start) -> None:
    completing = {"_PLATFORMCTL_COMPLETE": "bash_complete"}
    commands = start(COMP_WORDS="platformctl exp", COMP_CWORD="1", **completing).stdout
    assert commands.split() == ["plain,expire", "plain,export"]
    states = start(COMP_WORDS="platformctl list --state ", COMP_CWORD="3", **completing).stdout
    assert "plain,suspect" in states.split()


def test_a_reader_that_goes_early_is_no_crash(
    environment: dict[str, str], registry: Registry
) -> None:
    for number in range(50):
        registry.register(f"module-{number}")
    command = f"{shlex.quote(sys.executable)} -P -m cli.main list --all | head -1"
    ended = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    assert ended.stdout.startswith("id")
    assert ended.stderr == "50 offline.\n"


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*PLATFORMCTL, *arguments],
            env={"COLUMNS": "120", "LINES": "40"} | environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.output = ""

    def read_until(self, text: str, *, times: int = 1) -> None:
        """Read until a text has appeared so often; fail after a while."""
        deadline = time.monotonic() + 20
        while self.output.count(text) < times:
            assert time.monotonic() < deadline, self.output
            if select.select([self._ours], [], [], 0.1)[0]:
                self.output += os.read(self._ours, 65536).decode()

    def close(self) -> None:
        """End the command if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def on_terminal(environment: dict[str, str]) -> Iterator[Callable[..., Terminal]]:
    """Start commands on terminals."""
    terminals: list[Terminal] = []

    def start(*arguments: str, **variables: str) -> Terminal:
        terminals.append(Terminal(list(arguments), environment | variables))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def test_watch_draws_again_until_ctrl_c(
    registry: Registry, on_terminal: Callable[..., Terminal]
) -> None:
    registry.enrol(lease_seconds=60)
    registry.connect(registry.register("first-one"))
    terminal = on_terminal("list", "--watch")
    terminal.read_until("first-one")
    registry.connect(registry.register("second-one"))
    terminal.read_until("second-one")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(timeout=5) == 0


def test_a_terminal_gets_colours_unless_no_color_is_set(
    registry: Registry, on_terminal: Callable[..., Terminal]
) -> None:
    registry.enrol(lease_seconds=60)
    registry.connect(registry.register())
    coloured = on_terminal("list")
    coloured.read_until("192.0.2.7")
    plain = on_terminal("list", NO_COLOR="1")
    plain.read_until("192.0.2.7")
    assert "\x1b[32monline" in coloured.output
    assert "\x1b[" not in plain.output


def test_a_long_name_does_not_push_a_terminals_columns_off_the_line(
    registry: Registry, on_terminal: Callable[..., Terminal]
) -> None:
    registry.enrol()
    registry.register("华东电网负荷预测" * 6 + "七十二小时")
    module = registry.connect(registry.register("n" * 90, mission_kind="wind"))
    registry.connect(registry.register("load-forecast", mission_kind="load"))
    close_module(registry.store, module, registry.now, ACTOR)
    terminal = on_terminal("list", "--all", NO_COLOR="1", COLUMNS="80")
    terminal.read_until("1 online, 2 offline.")
    lines = terminal.output.splitlines()
    assert len(lines) == 6
    assert max(map(cell_len, lines)) <= 80
    assert lines[0].split()[:3] == ["id", "hash", "name"]
    assert [line.split()[0] for line in lines[1:4]] == ["1", "2", "3"]
    assert re.search(r"  华东\S*…\S*小时  ", lines[1])
    assert lines[2].split()[1] == module.module_hash[:12]
    assert "n…n" in lines[2]
    assert "peer" in lines[4]


def test_wide_shows_everything_on_a_terminal(
    registry: Registry, on_terminal: Callable[..., Terminal]
) -> None:
    registry.register("n" * 90)
    terminal = on_terminal("list", "--all", "--wide", NO_COLOR="1", COLUMNS="80")
    terminal.read_until("1 offline.")
    assert "n" * 90 in terminal.output
    assert "peer" in terminal.output


def test_a_watched_list_tells_what_has_no_room_on_the_screen(
    registry: Registry, on_terminal: Callable[..., Terminal]
) -> None:
    registry.enrol(lease_seconds=60)
    for number in range(20):
        registry.connect(registry.register(f"module-{number:02}"))
    terminal = on_terminal("list", "--watch", "--sort", "-name", LINES="10", COLUMNS="100")
    terminal.read_until("20 online.")
    assert "13 more have no room on this screen." in terminal.output
    assert "module-19" in terminal.output
    assert "module-00" not in terminal.output


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_events_are_followed_until_ctrl_c(
    registry: Registry, on_terminal: Callable[..., Terminal], options: tuple[str, ...]
) -> None:
    registry.register("first-one")
    terminal = on_terminal("events", "--follow", "--limit", "1", *options, NO_COLOR="1")
    terminal.read_until("first-one")
    registry.register("second-one")
    terminal.read_until("second-one")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(timeout=5) == 0
    lines = terminal.output.splitlines()
    assert ["first-one" in line for line in lines if "-one" in line] == [True, False]
    assert len(lines) == (2 if options else 3)
