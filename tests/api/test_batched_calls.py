"""Calls of many threads: they go together, and each thread gets its own answer."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from api.batched_calls import BatchedCalls
from tests.support.eventually import eventually, eventually_equal


class SlowDouble:
    """Doubles numbers; every batch waits until the test lets it go on."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_go_on = threading.Semaphore(0)
        self.problem: Exception | None = None

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        assert self.may_go_on.acquire(timeout=10)
        if self.problem is not None:
            raise self.problem
        return [2 * number for number in numbers]


@pytest.fixture
def double() -> SlowDouble:
    return SlowDouble()


@pytest.fixture
def calls(double: SlowDouble) -> BatchedCalls[int, int]:
    return BatchedCalls(double)


def start(pool: ThreadPoolExecutor, calls: BatchedCalls[int, int], *numbers: int) -> list[Future]:
    """Start calls one after the other: the first is made, the others wait in this order."""
    futures = []
    for waiting, number in enumerate(numbers):
        futures.append(pool.submit(calls.call, number))
        eventually(lambda: calls._is_busy)
        eventually_equal(lambda: len(calls._waiting), waiting)
    return futures


def test_a_call_alone_is_made_at_once(double: SlowDouble, calls: BatchedCalls[int, int]) -> None:
    double.may_go_on.release()
    assert calls.call(4) == 8
    assert double.batches == [[4]]


def test_what_comes_meanwhile_goes_together(
    double: SlowDouble, calls: BatchedCalls[int, int]
) -> None:
    with ThreadPoolExecutor(4) as pool:
        futures = start(pool, calls, 1, 2, 3, 4)
        double.may_go_on.release(2)
        assert [future.result(10) for future in futures] == [2, 4, 6, 8]
    assert double.batches == [[1], [2, 3, 4]]


def test_the_first_answer_waits_for_no_other_batch(
    double: SlowDouble, calls: BatchedCalls[int, int]
) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = start(pool, calls, 1, 2)
        double.may_go_on.release()
        assert first.result(10) == 2
        assert not second.done()
        double.may_go_on.release()
        assert second.result(10) == 4


def test_an_outage_is_told_to_all_that_wait(
    double: SlowDouble, calls: BatchedCalls[int, int]
) -> None:
    double.problem = ConnectionError("away")
    with ThreadPoolExecutor(3) as pool:
        futures = start(pool, calls, 1, 2, 3)
        double.may_go_on.release()
        for future in futures:
            with pytest.raises(ConnectionError, match="away"):
                future.result(10)
    assert double.batches == [[1]]


def test_the_next_call_after_an_outage_is_made(
    double: SlowDouble, calls: BatchedCalls[int, int]
) -> None:
    double.problem = ConnectionError("away")
    double.may_go_on.release(2)
    with pytest.raises(ConnectionError):
        calls.call(1)
    double.problem = None
    assert calls.call(2) == 4


def test_answers_that_do_not_fit_are_an_error_for_all(calls: BatchedCalls[int, int]) -> None:
    short: BatchedCalls[int, int] = BatchedCalls(lambda numbers: [])
    with pytest.raises(ValueError, match="shorter"):
        short.call(1)


def test_many_threads_get_their_own_answers() -> None:
    calls: BatchedCalls[int, int] = BatchedCalls(lambda numbers: [2 * n for n in numbers])
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(calls.call, range(5000))) == list(range(0, 10_000, 2))
