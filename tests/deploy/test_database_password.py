"""Our own database asks for the password that `up` made, and for no other."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pymongo.errors import OperationFailure

from shared.domain.ids import NodeId
from shared.settings import Settings
from shared.store import Store, connect
from shared.store.errors import is_refusal
from shared.store.server import is_open
from tests.support.builders import NOON
from tests.support.data_directory import data_directory
from tests.support.database_server import DatabaseServer

FIRST, SECOND = "a1" * 32, "b2" * 32


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    with data_directory(tmp_path_factory) as directory:
        own = DatabaseServer(directory)
        own.start()
        yield own
        own.kill()


@pytest.fixture
def own(settings: Settings, server: DatabaseServer) -> Settings:
    """The settings of the checkout that this server belongs to."""
    here = {"mongodb_host": "", "mongod_bin": "/nowhere/mongod", "var_dir": server.directory}
    return replace(settings, mongodb_port=server.port, **here)


def start_again(server: DatabaseServer, password: str) -> None:
    server.kill()
    server.set_password(password)
    server.start()


def workers_known(settings: Settings) -> set[str]:
    store = connect(settings, timeout_ms=10_000)
    try:
        return set(store.workers.all())
    finally:
        store.close()


def note_worker(settings: Settings, name: str) -> None:
    store: Store = connect(settings, timeout_ms=10_000)
    store.workers.note(NodeId(name), NOON)
    store.close()


def guess(server: DatabaseServer) -> str:
    return f"mongodb://platform:wrong@127.0.0.1:{server.port}/?directConnection=true"


def test_data_stay_whatever_the_password_and_nothing_else_lets_in(
    own: Settings, server: DatabaseServer
) -> None:
    note_worker(own, "from before")
    assert is_open(own)
    start_again(server, FIRST)
    note_worker(own, "under the first")
    start_again(server, SECOND)  # the file was lost, and made anew
    assert workers_known(own) == {"from before", "under the first"}
    assert not is_open(own)
    for address in (server.uri, guess(server)):
        with pytest.raises(OperationFailure) as refused:
            workers_known(replace(own, mongodb_host=address))
        assert is_refusal(refused.value)
