"""The breaker: a database that failed is left alone for a second, then one request tries it."""

import pytest
from pymongo.errors import AutoReconnect

from api.circuit_breaker import Database
from shared.errors import DatabaseUnavailable, NotFound
from shared.store import Store
from tests.api.conftest import Clock


def fail(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable), database.use():
        raise AutoReconnect("gone")


def test_the_store_is_lent(database: Database, store: Store) -> None:
    with database.use() as lent:
        assert lent is store


def test_after_a_failure_everybody_is_refused_at_once(database: Database) -> None:
    fail(database)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable), database.use():
            pytest.fail("the store was lent")


def test_after_a_second_one_request_tries(database: Database, clock: Clock) -> None:
    fail(database)
    clock.seconds += 1.0
    with database.use(), pytest.raises(DatabaseUnavailable), database.use():
        pytest.fail("a second request tried, too")
    with database.use():
        pass


def test_a_trial_that_fails_begins_another_second(database: Database, clock: Clock) -> None:
    fail(database)
    clock.seconds += 1.0
    fail(database)
    clock.seconds += 0.9
    with pytest.raises(DatabaseUnavailable), database.use():
        pytest.fail("the store was lent")


def test_a_trial_that_never_ends_does_not_lock_the_others_out(
    database: Database, clock: Clock
) -> None:
    fail(database)
    clock.seconds += 1.0
    with pytest.raises(ZeroDivisionError), database.use():
        raise ZeroDivisionError
    clock.seconds += 2.0
    with database.use():
        pass


def test_a_refusal_of_ours_is_an_answer_of_the_database(database: Database, clock: Clock) -> None:
    fail(database)
    clock.seconds += 1.0
    with pytest.raises(NotFound), database.use():
        raise NotFound("no such module")
    with database.use():
        pass


def test_leases_are_not_trusted_just_after_an_outage(database: Database, clock: Clock) -> None:
    assert database.trusts_leases
    fail(database)
    clock.seconds += 30.0
    with database.use():
        pass
    assert not database.trusts_leases
    clock.seconds += 10.0
    assert database.trusts_leases
