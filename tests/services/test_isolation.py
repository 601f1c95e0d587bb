"""What fails together is tried in halves, down to those that fail alone."""

from collections.abc import Sequence

import pytest
from pymongo.errors import AutoReconnect

from shared.services.isolation import isolate


class Work:
    """Work that fails with the bad ones."""

    def __init__(self, *bad: int, error: Exception | None = None) -> None:
        self.bad = set(bad)
        self.error = error or KeyError("nope")
        self.done: list[int] = []

    def do(self, items: Sequence[int]) -> None:
        if self.bad.intersection(items):
            raise self.error
        self.done += items


def test_what_fails_alone_is_told_and_all_else_is_done() -> None:
    work = Work(3, 7)
    assert isolate(work.do, range(10), str) == [3, 7]
    assert work.done == [0, 1, 2, 4, 5, 6, 8, 9]


def test_nothing_is_done_with_nothing() -> None:
    assert isolate(Work().do, (), str) == []


def test_a_database_that_is_away_is_no_items_fault() -> None:
    with pytest.raises(AutoReconnect):
        isolate(Work(3, error=AutoReconnect()).do, range(10), str)
