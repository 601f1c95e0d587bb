"""Figures of several rounds: their spread, and the rounds that something disturbed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.progress import progress

# A limit is a property of the machine: if it moves by more than this, something else moved it.
STRAY_SHARE = 0.25
Round = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The least, the middle and the most of a figure's values."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, *values: float) -> "Spread":
        """Return the spread of these values, of which there must be one."""
        return cls(least=min(values), median=median(values), most=max(values))

    @property
    def shown(self) -> str:
        """Return it as people read it; a figure that was taken once stands alone."""
        if self.least == self.most:
            return show(self.median)
        return f"{show(self.median)} ({show(self.least)} - {show(self.most)})"


def show(value: float) -> str:
    """Return a number as people read it."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def find_strays(baselines: Sequence[float]) -> list[int]:
    """Return the positions of the baselines that lie too far from their median."""
    middle = median(baselines)
    return [
        position
        for position, baseline in enumerate(baselines)
        if abs(baseline - middle) > STRAY_SHARE * middle
    ]


@dataclass(kw_only=True)
class Rounds:
    """The rounds that count, and what is to be said about those that did not."""

    rounds: list[Round]
    baselines: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    def spread(self, name: str) -> Spread:
        """Return the spread of one figure."""
        return Spread.of(*(figures[name] for figures in self.rounds))

    def ratio(self, name: str, baseline: str) -> Spread:
        """Return the spread of a figure as a multiple of the baseline of its own round."""
        return Spread.of(*(figures[name] / figures[baseline] for figures in self.rounds))

    def find_stray(self) -> tuple[int, str] | None:
        """Return the first round with a stray baseline, and the baseline's name."""
        for name in self.baselines:
            strays = find_strays([figures[name] for figures in self.rounds])
            if strays:
                return strays[0], name
        return None

    def describe(self, position: int, name: str) -> str:
        """Return how far a stray baseline lies from the others."""
        stray, middle = self.rounds[position][name], self.spread(name).median
        limit = f"{STRAY_SHARE * 100:.0f} %"
        return (
            f"{name} of round {position + 1}, {show(stray)}, strayed by more than {limit} "
            f"from the median, {show(middle)}"
        )


def run_rounds(count: int, run: Callable[[], Round], baselines: tuple[str, ...] = ()) -> Rounds:
    """Run rounds; repeat those whose baseline strays, at most as many again."""
    result = Rounds(rounds=[], baselines=baselines)
    for number in range(1, count + 1):
        progress(f"round {number} of {count}")
        result.rounds.append(run())
    for _ in range(count):
        stray = result.find_stray()
        if stray is None:
            return result
        result.notes.append(f"repeated: {result.describe(*stray)}")
        progress(result.notes[-1])
        result.rounds[stray[0]] = run()
    stray = result.find_stray()
    if stray is not None:
        result.notes.append(f"**not to be trusted**: {result.describe(*stray)}, after {count} more")
    return result
