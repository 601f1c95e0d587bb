"""A user's day: the commands, the old clients' calls, the example modules."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.e2e.conftest import PROJECT_DIR, Platform, clean_environment, eventually

pytestmark = pytest.mark.e2e

FORM = "application/x-www-form-urlencoded"


@contextmanager
def module_socket(platform: Platform, module_hash: str) -> Iterator[ClientConnection]:
    with eventually(lambda: try_to_connect(platform, module_hash)) as socket:
        yield socket


def try_to_connect(platform: Platform, module_hash: str) -> ClientConnection | None:
    """Connect as modules do, which come back when a wsd is about to start; None if it is."""
    try:
        return connect(platform.socket_url(module_hash), proxy=None)
    except InvalidStatus as refused:
        if refused.response.status_code != 503:
            raise
        return None


def code_of_closing(socket: ClientConnection) -> int:
    """Read (questions to a silent module may come first) until the platform closes the socket."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            socket.recv(10)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def test_a_second_up_says_that_it_is_up_already(platform: Platform) -> None:
    said = platform.run("manage.sh", "up").stdout
    assert "already up" in said
    assert f"http://localhost:{platform.port}" in said


def test_status_names_every_program(platform: Platform) -> None:
    said = platform.run("manage.sh", "status").stdout
    for program in ("nginx", "api", "wsd", "worker", "database", "watchdog"):
        assert program in said


def test_a_module_of_the_first_form_lives_its_whole_life(platform: Platform) -> None:
    requirement = json.dumps([{"table_kind": "load", "time_begin": -24, "time_unit": "h"}])
    module_hash = platform.register("first-form", dataRequirement=requirement)
    with module_socket(platform, module_hash) as socket:
        socket.send("heartbeat")
        assert socket.recv(5) == "heartbeat confirm"
        item = eventually(lambda: platform.online().get("first-form"))
        assert item["module_hash"] == module_hash
        assert (item["alive"], item["state"]) == (True, "online")
        assert item["dataRequirement"] == json.loads(requirement)
    eventually(lambda: "first-form" not in platform.online())


def test_a_module_of_the_later_form_is_asked_and_answers(platform: Platform) -> None:
    query = urlencode(
        {
            "name": "later-form",
            "description": "sends no heartbeat",
            "input_data": "[]",
            "output_data": '[{"table_name": "forecast"}]',
            "modelHash": "abc",
        }
    )
    result = platform.ask(f"/module/register?{query}").envelope["result"]
    assert isinstance(result["module_id"], int)
    with module_socket(platform, result["hash"]) as socket:
        for _ in range(4):  # longer than the offline time-out
            assert json.loads(socket.recv(5))["type"] == "ping"
            socket.send('{"type":"pong"}')
        socket.send('{"status":"success","execution_id":"1"}')
        assert socket.recv(5) == "receive result"
        assert "later-form" in platform.online()


def test_registering_again_gives_the_same_answer(platform: Platform) -> None:
    assert platform.register("twice") == platform.register("twice")


def test_close_websocket_closes_and_the_module_may_come_back(platform: Platform) -> None:
    module_hash = platform.register("closed")
    with module_socket(platform, module_hash) as socket:
        listed = eventually(lambda: platform.online().get("closed"))
        form = urlencode({"module_id": listed["module_id"]}).encode()
        answer = platform.ask("/module/close_websocket", form, **{"Content-Type": FORM})
        assert answer.envelope["code"] == "2000"
        assert answer.envelope["result"]["module_name"] == "closed"
        assert code_of_closing(socket) == 4010
        again = platform.ask("/module/close_websocket", form, **{"Content-Type": FORM})
        assert (again.status, again.envelope["code"]) == (404, "3003")
    with module_socket(platform, module_hash):
        eventually(lambda: "closed" in platform.online())


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "3003"),
        ("GET", "/statz", 404, "3003"),
        ("GET", "/metrics", 404, "3003"),
        ("DELETE", "/module/online", 405, "3002"),
        ("TRACE", "/module/online", 405, "3002"),
        ("GET", "/module/register", 400, "3002"),
        ("GET", "/module/" + "a" * 64, 404, "3003"),
        ("GET", "/websocket", 400, "3002"),
    ],
)
def test_every_refusal_is_the_envelope(
    platform: Platform, method: str, path: str, status: int, code: str
) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"} if path == "/websocket" else {}
    answer = platform.ask(path, method=method, **headers)
    assert (answer.status, answer.envelope["code"]) == (status, code)
    assert "message" in answer.envelope
    assert answer.envelope["result"] is None


def test_a_body_of_17_megabytes_is_413(platform: Platform) -> None:
    answer = platform.ask("/module/register", b"x" * 17_000_000, **{"Content-Type": FORM})
    assert (answer.status, answer.envelope["code"]) == (413, "3002")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_platform_says_that_it_is_well(platform: Platform, path: str) -> None:
    assert platform.ask(path).status == 200


def test_the_documentation_comes_from_this_machine(platform: Platform) -> None:
    assert platform.ask("/openapi.json").envelope["openapi"].startswith("3.1")
    page = platform.ask("/docs").body.decode()
    assert "swagger" in page.lower()
    assert "https://" not in page


def test_an_unknown_hash_is_refused_before_the_handshake(platform: Platform) -> None:
    with pytest.raises(InvalidStatus) as refusal, module_socket(platform, "a" * 64):
        pass
    assert refusal.value.response.status_code == 404


def test_platformctl_lists_expires_and_tells_the_history(platform: Platform) -> None:
    module_hash = platform.register("expired")
    with module_socket(platform, module_hash) as socket:
        eventually(lambda: "expired" in platform.run("platformctl", "list").stdout)
        socket.send("heartbeat")  # a loaded machine takes seconds for a command
        platform.run("platformctl", "expire", "--module", module_hash, "--yes")
        assert "expired" not in platform.online()
        assert code_of_closing(socket) == 4010
    events = platform.run("platformctl", "events", "--module", module_hash).stdout
    assert "expired_by_operator" in events
    shown = platform.run("platformctl", "show", module_hash).stdout
    assert "expired_by_operator" in shown


def test_doctor_finds_nothing_wrong(platform: Platform) -> None:
    platform.run("platformctl", "doctor")


@contextmanager
def example_module(platform: Platform, directory: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run the two examples as the README says."""
    arguments = ["example", platform.url("")]
    scripts = [
        str(PROJECT_DIR / "examples" / name) for name in ("register.py", "client_connect.py")
    ]
    subprocess.run([sys.executable, scripts[0], *arguments], cwd=directory, check=True)
    client = subprocess.Popen([sys.executable, scripts[1], *arguments], cwd=directory)
    try:
        yield client
    finally:
        client.kill()
        client.wait()


def test_the_examples_are_listed_and_a_killed_one_is_not(
    platform: Platform, tmp_path: object
) -> None:
    with example_module(platform, tmp_path):
        eventually(lambda: "example" in platform.online())
    eventually(lambda: "example" not in platform.online())


def test_a_module_comes_back_after_wsd_was_killed(platform: Platform, tmp_path: object) -> None:
    with example_module(platform, tmp_path):
        before = eventually(lambda: platform.online().get("example"))["session_id"]
        os.kill(platform.pids()["wsd:wsd_0"], signal.SIGKILL)
        eventually(
            lambda: platform.online().get("example", {}).get("session_id") not in (None, before)
        )


def test_a_module_comes_back_after_a_deploy_and_no_request_fails(
    platform: Platform, tmp_path: object
) -> None:
    with example_module(platform, tmp_path):
        eventually(lambda: "example" in platform.online())
        command = [str(platform.directory / "manage.sh"), "deploy"]
        deploying = subprocess.Popen(command, env=clean_environment())
        while deploying.poll() is None:
            assert platform.ask("/module/online").status == 200
        assert deploying.returncode == 0
        eventually(lambda: "example" in platform.online())


def test_a_hung_process_is_killed_and_started_again(platform: Platform) -> None:
    wsd = platform.pids()["wsd:wsd_0"]
    os.kill(wsd, signal.SIGSTOP)
    eventually(lambda: platform.pids().get("wsd:wsd_0", wsd) != wsd, seconds=60)
    eventually(lambda: platform.ask("/readyz").status == 200)


@contextmanager
def stalled_supervisord(platform: Platform) -> Iterator[None]:
    """Stop supervisord where it stands: from now on the processes' output is not read."""
    pid = int((platform.directory / "var/run/supervisord.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def refuse_bad_request(port: int) -> None:
    """Have gunicorn log a line."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/9.9\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def assert_is_confirmed(program: ClientConnection) -> None:
    """Send a heartbeat, and read until it is confirmed (questions may come first)."""
    program.send("heartbeat")
    while program.recv(2) != "heartbeat confirm":
        pass


def test_processes_whose_output_is_not_read_go_on(platform: Platform) -> None:
    """A pipe holds 64 KiB; every process writes more than that, and none may wait."""
    steady, restless = platform.register("steady"), platform.register("restless")
    with stalled_supervisord(platform), module_socket(platform, steady) as program:
        for _ in range(300):
            with module_socket(platform, restless):
                assert_is_confirmed(program)
            refuse_bad_request(platform.setting("API_PORT"))
            refuse_bad_request(platform.setting("API_PORT"))
            assert platform.ask("/healthz").status == 200
        assert "steady" in platform.online()
        eventually(lambda: "restless" not in platform.online(), seconds=5)
    eventually(lambda: "/healthz" in platform.log("nginx-access"))


def test_restart_stops_nothing_that_it_could_not_start_again(platform: Platform) -> None:
    before, env_file = platform.pids(), platform.directory / ".env"
    text = env_file.read_text()
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        env_file.write_text(f"{text}SERVER_PORT={port}\n")
        done = platform.run("manage.sh", "restart", check=False)
        up = platform.run("manage.sh", "up")
    listed = platform.run("platformctl", "list")
    env_file.write_text(text)
    assert done.returncode == 1
    assert f"SERVER_PORT: port {port} is in use on this machine" in done.stderr
    assert platform.pids() == before
    difference = f"SERVER_PORT is {platform.port} in the running platform, {port} here (.env)"
    assert difference in up.stdout
    assert f"http://localhost:{platform.port}\n" in up.stdout
    assert difference in listed.stderr


def test_logs_of_all_programs_are_in_one_form(platform: Platform) -> None:
    lines = platform.run("manage.sh", "logs", "--since", "10m", "--json").stdout.splitlines()
    programs = {json.loads(line)["program"] for line in lines}
    assert {"api", "wsd_0", "worker_0", "database", "supervisord"} <= programs
    assert "install" not in programs


def test_down_stops_everything(platform: Platform) -> None:
    pids = platform.pids()
    platform.run("manage.sh", "down")
    eventually(lambda: not any(_is_alive(pid) for pid in pids.values()))
    assert "not running" in platform.run("manage.sh", "status", check=False).stdout
    platform.run("manage.sh", "up")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
