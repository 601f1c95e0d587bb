"""The breaker: a database that failed is left alone for a second, then one request tries it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pymongo.errors import AutoReconnect, NetworkTimeout, OperationFailure

from api.circuit_breaker import CircuitBreaker
from shared.errors import DatabaseUnavailable, NotFound
from shared.settings import Settings
from shared.store import Store, connect
from tests.api.conftest import Clock
from tests.support.builders import NODE, NOON, make_node
from tests.support.ports import free_port


def fail(breaker: CircuitBreaker) -> None:
    with pytest.raises(DatabaseUnavailable), breaker.use():
        raise AutoReconnect("gone")


def test_the_store_is_lent(breaker: CircuitBreaker, store: Store) -> None:
    with breaker.use() as lent:
        assert lent is store


def test_after_a_failure_all_requests_are_refused_at_once(breaker: CircuitBreaker) -> None:
    fail(breaker)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable), breaker.use():
            pytest.fail("the store was lent")


def test_after_a_second_one_request_tries(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.seconds += 1.0
    with breaker.use(), pytest.raises(DatabaseUnavailable), breaker.use():
        pytest.fail("a second request tried, too")
    with breaker.use():
        pass


def test_a_trial_that_fails_begins_another_second(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.seconds += 1.0
    fail(breaker)
    clock.seconds += 0.9
    with pytest.raises(DatabaseUnavailable), breaker.use():
        pytest.fail("the store was lent")


def test_a_trial_that_never_ends_does_not_lock_the_others_out(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail(breaker)
    clock.seconds += 1.0
    with pytest.raises(ZeroDivisionError), breaker.use():
        raise ZeroDivisionError
    clock.seconds += 2.0
    with breaker.use():
        pass


def test_a_refusal_of_ours_is_an_answer_of_the_database(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail(breaker)
    clock.seconds += 1.0
    with pytest.raises(NotFound), breaker.use():
        raise NotFound("no such module")
    with breaker.use():
        pass


def test_after_an_outage_leases_that_are_over_are_in_doubt(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    over = make_node(lease_until=NOON - timedelta(seconds=10))
    for _ in range(20):
        breaker.grace.judge([make_node()], NOON)
        clock.seconds += 1.0
    fail(breaker)
    assert breaker.grace.judge([over], NOON).in_doubt == {NODE}


def test_a_call_that_took_too_long_is_no_outage_while_the_server_answers(
    breaker: CircuitBreaker,
) -> None:
    with pytest.raises(DatabaseUnavailable), breaker.use():
        raise NetworkTimeout("late")
    with breaker.use():
        pass


def test_a_fault_of_ours_is_no_outage(breaker: CircuitBreaker) -> None:
    with pytest.raises(OperationFailure), breaker.use():
        raise OperationFailure("no such thing", 2)
    with breaker.use():
        pass


def test_a_server_that_fails_inside_is_no_outage_for_other_calls(
    breaker: CircuitBreaker,
) -> None:
    with pytest.raises(DatabaseUnavailable), breaker.use():
        raise OperationFailure("internal server error", 1)
    with breaker.use():
        pass


def test_a_server_that_does_not_answer_in_time_is_an_outage(settings: Settings) -> None:
    unreachable = connect(replace(settings, mongodb_host=f"127.0.0.1:{free_port()}"))
    breaker = CircuitBreaker(unreachable)
    with pytest.raises(DatabaseUnavailable), breaker.use():
        raise NetworkTimeout("late")
    with pytest.raises(DatabaseUnavailable), breaker.use():
        pytest.fail("the store was lent")
    unreachable.close()
