"""Goals: what a bench promises, and whether its result keeps the promise."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.figures import Spread, show


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One promise: what is measured, and the least or the most that it may be.

    The median of the rounds is judged; `in_every_round`, the worst of them.
    """

    what: str
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    in_every_round: bool = False

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"{self.what}: a goal has one bound, at_least or at_most")

    @property
    def bound(self) -> str:
        """Return the goal in words."""
        if self.at_least is not None:
            return f"at least {show(self.at_least)}{self.suffix}"
        assert self.at_most is not None
        return f"at most {show(self.at_most)}{self.suffix}"

    @property
    def suffix(self) -> str:
        """Return the unit as it stands behind a number."""
        return f" {self.unit}" if self.unit else ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A goal beside its result."""

    goal: Goal
    result: Spread

    @property
    def is_met(self) -> bool:
        """Return whether the result keeps the promise; one that is not a number does not."""
        goal, result = self.goal, self.result
        if goal.at_least is not None:
            return (result.least if goal.in_every_round else result.median) >= goal.at_least
        assert goal.at_most is not None
        return (result.most if goal.in_every_round else result.median) <= goal.at_most

    @property
    def shown(self) -> str:
        """Return the result with its unit."""
        return f"{self.result.shown}{self.goal.suffix}"


def judge(goals: Mapping[str, Goal], results: Mapping[str, Spread]) -> list[Outcome]:
    """Return every goal beside its result; a goal without one is an error, and so is the reverse."""
    if goals.keys() != results.keys():
        raise ValueError(f"goals {sorted(goals)} and results {sorted(results)} differ")
    return [Outcome(goal=goal, result=results[name]) for name, goal in goals.items()]
