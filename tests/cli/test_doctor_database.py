"""platformctl doctor: whose database it is, and who may read it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.checks.check import Check, Status
from cli.checks.database import check_database
from cli.context import Platform
from cli.main import cli
from shared.clock import utc_now
from shared.settings import PASSWORD_FILE, PROJECT_DIR, Settings
from shared.store import Store
from shared.store.checkouts import Checkout
from tests.support.data_directory import data_directory
from tests.support.database_server import DatabaseServer

NEIGHBOUR = Checkout(host="vm", path="/home/neighbour/forecast")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    """A server that asks for a password."""
    with data_directory(tmp_path_factory) as directory:
        own = DatabaseServer(directory)
        own.set_password("a1" * 32)
        own.start()
        yield own
        own.kill()


@pytest.fixture
def guarded(settings: Settings, server: DatabaseServer) -> Settings:
    here = {"mongodb_host": "", "mongod_bin": "/nowhere/mongod", "var_dir": server.directory}
    return replace(settings, mongodb_port=server.port, **here)


def look(settings: Settings, name: str) -> Check:
    return next(check for check in check_database(Platform(settings)) if check.name == name)


def init_db(settings: Settings, *arguments: str) -> None:
    done = CliRunner().invoke(cli, ["init-db", *arguments], obj=Platform(settings))
    assert done.exit_code == 0, done.output


def test_a_password_that_only_its_owner_can_read_is_well(guarded: Settings) -> None:
    check = look(guarded, "database access")
    assert check.status is Status.OK
    assert check.found.startswith("by password; only ")


def test_a_password_that_others_can_read_is_told(guarded: Settings) -> None:
    path = guarded.var_dir / PASSWORD_FILE
    path.chmod(0o644)
    assert look(guarded, "database access").advice == f"chmod 600 {path}"
    path.chmod(0o600)


def test_a_server_without_a_password_is_told(
    settings: Settings, database_uri: str, tmp_path: Path
) -> None:
    port = int(database_uri.rpartition(":")[2].partition("/")[0])
    own = replace(settings, mongodb_host="", mongod_bin="/nowhere/mongod", mongodb_port=port)
    check = look(own, "database access")
    assert (check.status, check.advice) == (Status.WARN, "./manage.sh restart makes one")


def test_a_neighbours_server_is_not_taken_for_ours(guarded: Settings, tmp_path: Path) -> None:
    (tmp_path / PASSWORD_FILE).write_text("b2" * 32)
    for elsewhere in (tmp_path, tmp_path / "never started"):
        (check,) = check_database(Platform(replace(guarded, var_dir=elsewhere)))
        assert check.status is Status.FAIL
        assert "is not this checkout's" in check.found


def test_the_start_of_our_own_server_marks_it_as_ours(guarded: Settings) -> None:
    init_db(guarded, "--started-here")
    check = look(guarded, "checkout")
    assert (check.status, check.found) == (Status.OK, f"the database is that of {PROJECT_DIR}")


def test_the_mark_of_another_checkout_is_a_failure_until_the_server_is_started_here(
    guarded: Settings,
) -> None:
    with Platform(guarded).open_store() as store:
        store.checkouts.note(NEIGHBOUR, utc_now())
        store.checkouts.forget_others(NEIGHBOUR)
    init_db(guarded)
    check = look(guarded, "checkout")
    assert check.status is Status.FAIL
    assert str(NEIGHBOUR) in check.found
    init_db(guarded, "--started-here")
    assert look(guarded, "checkout").status is Status.OK


def test_checkouts_may_share_an_external_database(settings: Settings, store: Store) -> None:
    store.checkouts.note(NEIGHBOUR, utc_now())
    done = CliRunner().invoke(cli, ["init-db"], obj=Platform(settings, store))
    assert done.exit_code == 0
    check = next(c for c in check_database(Platform(settings, store)) if c.name == "checkout")
    assert (check.status, check.found) == (Status.OK, f"the database is also that of {NEIGHBOUR}")
    assert len(store.checkouts.all()) == 2
