"""The database dies or hangs: the API says so at once, and works again by itself."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from api import create_app
from api.circuit_breaker import CALL_TIMEOUT_MS
from shared.settings import Settings
from shared.store import connect
from tests.support.database_server import DatabaseServer

pytestmark = pytest.mark.kill

CALLS = [
    ("GET", "/readyz"),
    ("GET", "/module/online"),
    ("GET", "/module/register?name=load"),
    ("GET", "/module/list?limit=1"),
    ("POST", "/module/register?name=load"),
    ("POST", "/module/close_websocket?module_id=1"),
    ("POST", "/module/send_message?module_id=1&message=hello"),
    ("POST", "/module/send_message?missionKind=load&message=hello"),
    ("GET", f"/module/{'0' * 64}"),
    ("GET", "/module/load/messages"),
    ("GET", "/module/load/results"),
    ("GET", "/message/m1"),
    ("GET", "/result/m1"),
    ("GET", "/results/latest?missionKind=load"),
]


@pytest.fixture
def client(server: DatabaseServer, settings: Settings) -> Iterator[FlaskClient]:
    own = replace(settings, mongodb_host="", mongodb_port=server.port)
    store = connect(own, timeout_ms=CALL_TIMEOUT_MS)
    client = create_app(own, store).test_client()
    assert client.get("/module/online").status_code == 200
    yield client
    store.close()


def timed(client: FlaskClient, method: str, path: str) -> tuple[float, Any]:
    started = time.monotonic()
    answer = client.open(path, method=method)
    return time.monotonic() - started, answer


def assert_unavailable(answer: Any) -> None:
    assert (answer.status_code, answer.json["code"]) == (503, "5003")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(("method", "path"), CALLS[1:3])
def test_a_dead_database_is_reported_within_two_seconds(
    client: FlaskClient, server: DatabaseServer, method: str, path: str
) -> None:
    server.kill()
    time.sleep(0.3)  # the listings look at the database again
    seconds, answer = timed(client, method, path)
    assert_unavailable(answer)
    assert seconds < 2.0
    for again_method, again_path in CALLS:
        seconds, answer = timed(client, again_method, again_path)
        assert_unavailable(answer)
        assert seconds < 0.1
    assert client.get("/healthz").status_code == 200
    server.start()
    wait_until_ready(client)
    assert client.open(path, method=method).status_code == 200


@pytest.mark.parametrize(("method", "path"), CALLS[1:3])
def test_a_frozen_database_is_reported_within_two_seconds(
    client: FlaskClient, server: DatabaseServer, method: str, path: str
) -> None:
    server.freeze()
    time.sleep(0.3)  # the listings look at the database again
    seconds, answer = timed(client, method, path)
    server.thaw()
    assert_unavailable(answer)
    assert seconds < 2.0
    wait_until_ready(client)
    assert client.open(path, method=method).status_code == 200


def wait_until_ready(client: FlaskClient) -> None:
    deadline = time.monotonic() + 10
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
