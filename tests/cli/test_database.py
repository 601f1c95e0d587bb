"""platformctl init-db: what it makes, that it may be repeated, and what a kill leaves to it."""

import threading

import pytest

from shared.services import database_setup
from shared.services.database_setup import initiate_local_server, prepare_database
from shared.settings import Settings
from shared.store import Store, connect
from tests.cli.conftest import Run


@pytest.fixture
def empty(settings: Settings, store: Store, plain_client) -> Store:
    """A store over a database in which nothing was made yet."""
    plain_client.drop_database(settings.mongodb_name)
    return store


def test_init_db_makes_indexes_and_counters(empty: Store, run: Run) -> None:
    result = run("init-db")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "The database is ready.\n"
    assert empty.indexes.missing_indexes() == []
    assert empty.indexes.read_marker().is_current
    assert empty.counters.read() == (0, 0)


def test_init_db_again_finds_everything_ready(empty: Store, run: Run) -> None:
    run("init-db")
    assert run("init-db").stderr == "The database was ready.\n"


def test_init_db_keeps_the_counters(empty: Store, run: Run) -> None:
    run("init-db")
    empty.counters.next_module_id()
    run("init-db")
    assert empty.counters.next_module_id() == 2


def test_an_index_that_somebody_dropped_comes_back(
    empty: Store, settings: Settings, plain_client
) -> None:
    prepare_database(empty)
    plain_client[settings.mongodb_name]["modules"].drop_index("session.node_1")
    assert prepare_database(empty)
    assert empty.indexes.missing_indexes() == []


def test_indexes_whose_making_was_killed_are_made_anew(
    empty: Store, settings: Settings, plain_client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_setup, "BUILDER_PATIENCE_SECONDS", 0.1)
    empty.indexes.begin("killed", instead_of=None)
    empty.indexes.create_indexes()
    broken = plain_client[settings.mongodb_name]["modules"]
    broken.drop_index("module_id_1")
    broken.create_index("description", name="module_id_1")
    assert prepare_database(empty)
    assert broken.index_information()["module_id_1"]["key"] == [("module_id", 1)]
    assert empty.indexes.read_marker().is_current


def test_two_at_once_both_end_with_a_prepared_database(empty: Store, settings: Settings) -> None:
    other = connect(settings, timeout_ms=10_000, retryWrites=False, w=1)
    threads = [threading.Thread(target=prepare_database, args=(s,)) for s in (empty, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert empty.indexes.read_marker().is_current
    assert empty.indexes.missing_indexes() == []


def test_who_was_overtaken_does_not_call_the_indexes_finished(empty: Store) -> None:
    empty.indexes.begin("slow", instead_of=None)
    assert empty.indexes.begin("quick", instead_of="slow")
    assert not empty.indexes.begin("third", instead_of="slow")
    assert not empty.indexes.finish("slow")
    assert empty.indexes.finish("quick")


def test_a_server_that_is_not_our_own_is_not_initiated(settings: Settings) -> None:
    assert not initiate_local_server(settings)
