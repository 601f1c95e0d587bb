"""A step takes on less after it failed, and more again while it succeeds."""

import pytest

from worker.slice_size import SliceSize


def fail(size: SliceSize) -> None:
    with pytest.raises(TimeoutError), size.trying():
        raise TimeoutError


def test_it_is_halved_by_failures_down_to_one() -> None:
    size = SliceSize(20)
    sizes = []
    for _ in range(6):
        fail(size)
        sizes.append(size.now)
    assert sizes == [10, 5, 2, 1, 1, 1]


def test_it_grows_again_up_to_the_largest() -> None:
    size = SliceSize(200)
    fail(size)
    fail(size)
    for _ in range(3):
        with size.trying() as now:
            assert now <= 200
    assert size.now == 200
