"""The database cannot write any more: callers hear 503, never 500, and /readyz does not hide it."""

import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from pymongo.errors import OperationFailure

from api import create_app
from api.circuit_breaker import CircuitBreaker
from shared.errors import DatabaseUnavailable
from shared.settings import Settings
from shared.store import Store, connect
from tests.support.database_server import DatabaseServer
from tests.support.eventually import eventually_equal, throughout
from tests.support.indexes import create_indexes

DISK_FULL = "The database cannot write: disk full."
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def client(settings: Settings, server: DatabaseServer) -> Iterator[FlaskClient]:
    own = replace(settings, mongodb_host=server.uri)
    store = connect(own)
    create_indexes(store)
    yield create_app(own, store).test_client()
    store.close()


def limit_files(server: DatabaseServer, limits: tuple[int, int]) -> None:
    """Let the server's files grow to so many bytes: to the server it is a disk that is full."""
    assert server._process is not None
    resource.prlimit(server._process.pid, resource.RLIMIT_FSIZE, limits)


def test_a_server_that_cannot_write_is_503_for_as_long_as_that_lasts(
    client: FlaskClient, server: DatabaseServer
) -> None:
    assert client.get("/module/register?name=before").status_code == 200
    assert client.get("/readyz").status_code == 200
    limit_files(server, (1, resource.RLIM_INFINITY))
    for _ in range(3):
        answer = client.get("/module/register?name=after")
        assert (answer.status_code, answer.json["code"]) == (503, "5003")
    # It may have proven a write less than a second ago.
    eventually_equal(lambda: client.get("/readyz").status_code, 503)
    limit_files(server, UNLIMITED)  # and now there is space, and the server has given up
    assert client.get("/module/register?name=after").status_code == 503
    throughout(1.5, lambda: client.get("/readyz").status_code == 503)


def test_what_was_acknowledged_is_there_after_a_restart(
    client: FlaskClient, server: DatabaseServer
) -> None:
    acknowledged = []
    for number in range(10):
        if number == 5:
            limit_files(server, (1, resource.RLIM_INFINITY))
        answer = client.get(f"/module/register?name=module-{number}")
        acknowledged += [f"module-{number}"] if answer.status_code == 200 else []
    assert len(acknowledged) == 5
    server.kill()
    server.start()
    listed = client.get("/module/list").json["result"]
    assert {module["name"] for module in listed} >= set(acknowledged)


@pytest.mark.parametrize(
    ("code", "data_dir", "sentence"),
    [
        (14031, None, DISK_FULL),
        (1, Path("/proc"), DISK_FULL),  # a file system without a free byte
        (1, Path("/nowhere"), "The database is not available."),
        (1, None, "The database is not available."),
    ],
)
def test_a_full_disk_is_called_by_its_name(
    store: Store, code: int, data_dir: Path | None, sentence: str
) -> None:
    breaker = CircuitBreaker(store, data_dir=data_dir)
    with pytest.raises(DatabaseUnavailable) as refused, breaker.use():
        raise OperationFailure("internal server error", code)
    assert refused.value.message == sentence
    with breaker.use() as lent:  # what needs no write goes on
        assert list(lent.modules.stream()) == []


def test_a_write_is_tried_once_a_second_for_all_requests(
    client: FlaskClient, store: Store, breaker: CircuitBreaker, clock
) -> None:
    def count() -> int:
        document = store.counters._collection.find_one({"_id": "write_probes"})
        return document["value"] if document else 0

    for _ in range(5):
        breaker.prove_write()
    assert count() == 1
    clock.seconds += 1.0
    breaker.prove_write()
    assert count() == 2
