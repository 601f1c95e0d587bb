"""platformctl init-db: what it makes, that it may be repeated, and what a kill leaves to it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pymongo.collection import Collection

from shared.services import database_setup
from shared.services.database_setup import initiate_local_server, prepare_database
from shared.settings import Settings
from shared.store import Store, connect
from tests.cli.conftest import Run
from tests.support.eventually import throughout


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


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A builder is replaced after a third of a second."""
    monkeypatch.setattr(database_setup, "BUILDER_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(database_setup, "PROGRESS_SECONDS", 0.05)
    monkeypatch.setattr(database_setup, "LOOK_AGAIN_SECONDS", 0.05)


def key_of(collection: Collection[dict[str, Any]]) -> object:
    return collection.index_information()["module_id_1"]["key"]


@pytest.fixture
def broken(
    empty: Store, settings: Settings, plain_client, short_patience: None
) -> Collection[dict[str, Any]]:
    """The modules when a builder was killed during its last index, which looks whole."""
    assert empty.indexes.begin("killed", empty.indexes.read_marker())
    for name in empty.indexes.missing_indexes():
        if name != "modules.module_id_1":
            empty.indexes.make(name)
            assert empty.indexes.note_finished("killed", name)
    collection = plain_client[settings.mongodb_name]["modules"]
    collection.create_index("description", name="module_id_1")
    return collection


def test_an_index_whose_making_was_killed_is_made_anew(
    empty: Store, broken: Collection[dict[str, Any]]
) -> None:
    assert prepare_database(empty)
    assert key_of(broken) == [("module_id", 1)]
    assert empty.indexes.read_marker().is_current
    assert empty.indexes.missing_indexes() == []


def test_indexes_that_are_known_to_be_finished_stay_untouched(
    empty: Store, broken: Collection[dict[str, Any]]
) -> None:
    empty.indexes.note_finished("killed", "modules.module_id_1")
    assert prepare_database(empty)
    assert key_of(broken) == [("description", 1)]  # a trace of not having been made again


def test_indexes_from_before_a_cut_off_build_stay_untouched(
    empty: Store, settings: Settings, plain_client, short_patience: None
) -> None:
    prepare_database(empty)
    collection = plain_client[settings.mongodb_name]["modules"]
    collection.drop_index("module_id_1")
    collection.create_index("description", name="module_id_1")
    collection.drop_index("session.node_1")
    assert empty.indexes.begin("killed", empty.indexes.read_marker())
    assert prepare_database(empty)
    assert key_of(collection) == [("description", 1)]
    assert empty.indexes.missing_indexes() == []


def test_a_builder_that_takes_long_is_waited_for(
    empty: Store, settings: Settings, plain_client, short_patience: None
) -> None:
    slow = connect(settings, timeout_ms=10_000, retryWrites=False, w=1)
    make, is_building, may_go_on = slow.indexes.make, threading.Event(), threading.Event()

    def make_slowly(name: str) -> None:
        is_building.set()
        assert may_go_on.wait(20)
        make(name)

    slow.indexes.make = make_slowly
    with ThreadPoolExecutor(2) as pool:
        builder = pool.submit(prepare_database, slow)
        assert is_building.wait(10)
        first = empty.indexes.read_marker().builder
        other = pool.submit(prepare_database, empty)
        throughout(1.2, lambda: empty.indexes.read_marker().builder == first)
        assert not other.done()
        may_go_on.set()
        assert (builder.result(20), other.result(20)) == (True, False)
    slow.close()


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


def test_a_builder_that_was_replaced_does_not_call_the_indexes_finished(empty: Store) -> None:
    indexes = empty.indexes
    assert indexes.begin("slow", indexes.read_marker())
    stalled = indexes.read_marker()
    assert indexes.begin("quick", stalled)
    assert not indexes.begin("third", stalled)
    assert not indexes.note_progress("slow")
    assert not indexes.note_finished("slow", "modules.module_id_1")
    assert not indexes.finish("slow")
    assert indexes.finish("quick")


def test_a_builder_that_goes_on_after_all_is_not_replaced(empty: Store) -> None:
    empty.indexes.begin("slow", empty.indexes.read_marker())
    stalled = empty.indexes.read_marker()
    assert empty.indexes.note_progress("slow")
    assert not empty.indexes.begin("quick", stalled)


def test_a_server_that_is_not_our_own_is_not_initiated(settings: Settings) -> None:
    assert not initiate_local_server(settings)
