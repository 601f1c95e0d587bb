"""A lease that is over: how long a reader believes it all the same, and when it does not."""

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.node import NO_GRACE, LeaseGrace, Node
from tests.support.builders import NODE, NOON, make_node


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Reader:
    """Looks at nodes, and lets time pass; its node's lease is over unless a test says else."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.grace = LeaseGrace(self.clock)

    def sees(self, *nodes: Node) -> str:
        seen = self.grace.judge(nodes, NOON)
        if NODE in seen.in_doubt:
            assert NODE in seen.alive
            return "in doubt"
        return "alive" if NODE in seen.alive else "gone"

    def looks_every_second(self, node: Node, seconds: int) -> list[str]:
        """Look for so long, and return what was seen, each once."""
        seen = []
        for _ in range(seconds):
            seen.append(self.sees(node))
            self.clock.seconds += 1
        return list(dict.fromkeys(seen))


def make_over(**overrides: Any) -> Node:
    return make_node(lease_until=NOON - timedelta(seconds=10), **overrides)


@pytest.fixture
def reader() -> Reader:
    return Reader()


def test_a_reader_that_just_started_believes_a_lease_for_ten_seconds(reader: Reader) -> None:
    assert reader.looks_every_second(make_over(), 10) == ["in doubt"]
    assert reader.sees(make_over()) == "gone"


def test_a_reader_that_saw_the_lease_run_out_does_not_believe_it(reader: Reader) -> None:
    assert reader.looks_every_second(make_node(), 10) == ["alive"]
    assert reader.sees(make_over()) == "gone"


def test_a_reader_that_looks_seldom_believes_it_once(reader: Reader) -> None:
    reader.looks_every_second(make_node(), 20)
    reader.clock.seconds += 30
    assert reader.sees(make_over()) == "in doubt"
    for _ in range(3):
        reader.clock.seconds += 30
        assert reader.sees(make_over()) == "gone"


def test_after_an_outage_of_its_own_a_reader_believes_it_again(reader: Reader) -> None:
    reader.looks_every_second(make_node(), 20)
    reader.grace.forget_looks()
    reader.clock.seconds += 5
    assert reader.looks_every_second(make_over(), 10) == ["in doubt"]
    assert reader.sees(make_over()) == "gone"


def test_a_lease_that_runs_out_just_after_an_outage_is_believed_from_then_on(
    reader: Reader,
) -> None:
    reader.looks_every_second(make_node(), 20)
    reader.grace.forget_looks()
    reader.looks_every_second(make_node(), 9)
    assert reader.looks_every_second(make_over(), 10) == ["in doubt"]
    assert reader.sees(make_over()) == "gone"


def test_an_outage_does_not_bring_back_what_was_given_up(reader: Reader) -> None:
    reader.looks_every_second(make_over(), 11)
    reader.grace.forget_looks()
    assert reader.sees(make_over()) == "gone"


def test_a_node_that_renews_is_alive_and_may_be_doubted_anew(reader: Reader) -> None:
    reader.looks_every_second(make_over(renewals=7), 11)
    assert reader.sees(make_node(renewals=8)) == "alive"
    reader.clock.seconds += 30
    assert reader.sees(make_over(renewals=8)) == "in doubt"


def test_a_node_that_was_declared_dead_is_gone_at_once(reader: Reader) -> None:
    assert reader.sees(make_over(dead=True)) == "gone"
    assert reader.sees() == "gone"


def test_without_grace_the_lease_is_taken_at_its_word() -> None:
    assert NO_GRACE.judge([make_node()], NOON).alive == {NODE}
    assert NO_GRACE.judge([make_over()], NOON).alive == set()


class InterruptedGrace(LeaseGrace):
    """Has another thread judge, by no nodes at all, as soon as it noted what it believes."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "_believed_until" and value:
            self.judge([], NOON)


def test_a_thread_that_judges_meanwhile_takes_no_node_from_another() -> None:
    grace = InterruptedGrace(Clock())
    seen = grace.judge([make_node(lease_until=NOON - timedelta(seconds=10))], NOON)
    assert seen.alive == seen.in_doubt == {NODE}
