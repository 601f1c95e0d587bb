"""Goals beside their results."""

import pytest

from bench.figures import Spread
from bench.goals import Goal, Outcome, judge

FAST = Goal(what="rate", at_least=1.6)
SMALL = Goal(what="memory", at_most=9, unit="KiB")
NEVER = Goal(what="refused", at_most=0, unit="modules", in_every_round=True)
ALWAYS = Goal(what="rate", at_least=10, in_every_round=True)


@pytest.mark.parametrize(
    ("goal", "values", "is_met"),
    [
        (FAST, [1.6], True),
        (FAST, [1.59], False),
        (FAST, [1.2, 1.7, 1.8], True),
        (SMALL, [9], True),
        (SMALL, [9.01], False),
        (NEVER, [0, 0, 0], True),
        (NEVER, [0, 0, 1], False),
        (ALWAYS, [9, 11, 12], False),
    ],
)
def test_the_median_is_judged_or_the_worst_round(
    goal: Goal, values: list[float], is_met: bool
) -> None:
    assert Outcome(goal=goal, result=Spread.of(*values)).is_met is is_met


@pytest.mark.parametrize("goal", [FAST, SMALL])
def test_what_is_not_a_number_keeps_no_promise(goal: Goal) -> None:
    assert not Outcome(goal=goal, result=Spread.of(float("nan"))).is_met


def test_a_goal_is_said_with_its_bound_and_unit() -> None:
    assert (FAST.bound, SMALL.bound) == ("at least 1.60", "at most 9.00 KiB")
    assert Outcome(goal=SMALL, result=Spread.of(8, 7, 8.5)).shown == "8.00 (7.00 - 8.50) KiB"


@pytest.mark.parametrize("bounds", [{}, {"at_least": 1.0, "at_most": 2.0}])
def test_a_goal_has_one_bound(bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="one bound"):
        Goal(what="rate", **bounds)


def test_every_goal_has_its_result() -> None:
    outcomes = judge({"a": FAST, "b": SMALL}, {"b": Spread.of(8), "a": Spread.of(2)})
    assert [(outcome.goal, outcome.result.median) for outcome in outcomes] == [
        (FAST, 2),
        (SMALL, 8),
    ]


@pytest.mark.parametrize("names", [[], ["a", "b", "c"], ["a", "c"]])
def test_a_goal_without_a_result_cannot_be_dropped_silently(names: list[str]) -> None:
    with pytest.raises(ValueError, match="differ"):
        judge({"a": FAST, "b": SMALL}, {name: Spread.of(1) for name in names})
