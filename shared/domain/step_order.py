"""The order of steps: names that are one step's alone, and no circle of those that come after others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

Steps = Sequence[tuple[str, Sequence[str]]]


@dataclass(frozen=True, kw_only=True)
class OrderProblem:
    """What is wrong with the name, or the `after`, of the step at a position."""

    position: int
    field: str
    text: str


def find_order_problems(steps: Steps) -> list[OrderProblem]:
    """Return what is wrong with steps, given as names beside those that each comes after."""
    return [*_find_names(steps), *_find_unknown(steps)] or _find_circles(steps)


def _find_names(steps: Steps) -> Iterator[OrderProblem]:
    seen: set[str] = set()
    for position, (name, _) in enumerate(steps):
        if name in seen:
            text = f"is {name!r} a second time: give each step a name of its own"
            yield OrderProblem(position=position, field="name", text=text)
        seen.add(name)


def _find_unknown(steps: Steps) -> Iterator[OrderProblem]:
    names = {name for name, _ in steps}
    for position, (_, after) in enumerate(steps):
        for other in after:
            if other not in names:
                text = f"names {other!r}, which is no step of this workflow"
                yield OrderProblem(position=position, field="after", text=text)


def _find_circles(steps: Steps) -> list[OrderProblem]:
    try:
        TopologicalSorter(dict(steps)).prepare()
    except CycleError as error:
        circle = error.args[1][::-1]  # as it comes, each one is what the next one waits for
        first = [name for name, _ in steps].index(circle[0])
        text = f"makes a circle: {' after '.join(map(repr, circle))}"
        return [OrderProblem(position=first, field="after", text=text)]
    return []
