"""The breaker: a database that failed is left alone for a second, then one request tries it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pymongo.errors import AutoReconnect, NetworkTimeout, OperationFailure

from api.circuit_breaker import Database
from shared.errors import DatabaseUnavailable, NotFound
from shared.settings import Settings
from shared.store import Store, connect
from tests.api.conftest import Clock
from tests.support.builders import NODE, NOON, make_node
from tests.support.ports import free_port


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


def test_after_an_outage_leases_that_are_over_are_in_doubt(
    database: Database, clock: Clock
) -> None:
    over = make_node(lease_until=NOON - timedelta(seconds=10))
    for _ in range(20):
        database.grace.judge([make_node()], NOON)
        clock.seconds += 1.0
    fail(database)
    assert database.grace.judge([over], NOON).in_doubt == {NODE}


def test_a_call_that_took_too_long_is_no_outage_while_the_server_answers(
    database: Database,
) -> None:
    with pytest.raises(DatabaseUnavailable), database.use():
        raise NetworkTimeout("late")
    with database.use():
        pass


def test_a_fault_of_ours_is_no_outage(database: Database) -> None:
    with pytest.raises(OperationFailure), database.use():
        raise OperationFailure("no such thing", 2)
    with database.use():
        pass


def test_a_server_that_fails_by_itself_is_no_outage_to_those_who_need_not_that(
    database: Database,
) -> None:
    with pytest.raises(DatabaseUnavailable), database.use():
        raise OperationFailure("internal server error", 1)
    with database.use():
        pass


def test_a_server_that_does_not_answer_in_time_is_an_outage(settings: Settings) -> None:
    nobody = connect(replace(settings, mongodb_host=f"127.0.0.1:{free_port()}"))
    database = Database(nobody)
    with pytest.raises(DatabaseUnavailable), database.use():
        raise NetworkTimeout("late")
    with pytest.raises(DatabaseUnavailable), database.use():
        pytest.fail("the store was lent")
    nobody.close()
