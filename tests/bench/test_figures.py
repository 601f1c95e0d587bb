"""The spread of figures, and the rounds that are repeated."""

from collections.abc import Callable, Iterable

import pytest

from bench.figures import Round, Spread, find_strays, run_rounds, show

BASELINES = ("bare",)


def playing(values: Iterable[float]) -> Callable[[], Round]:
    """Return a measurement whose limit has these values, one after another."""
    left = iter(values)

    def measure() -> Round:
        bare = next(left)
        return {"bare": bare, "ours": bare * 2}

    return measure


def test_a_spread_has_the_least_the_median_and_the_most() -> None:
    assert Spread.of(5, 1, 3, 4) == Spread(least=1, median=3.5, most=5)


def test_a_spread_without_values_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty"):
        Spread.of()


def test_a_spread_is_shown_with_its_ends() -> None:
    assert Spread.of(900, 1000, 1100).shown == "1,000 (900 - 1,100)"
    assert Spread.of(0.62).shown == "0.62"


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0.00"), (9.876, "9.88"), (12.34, "12.3"), (46000, "46,000")]
)
def test_numbers_are_shown_as_precisely_as_they_matter(value: float, shown: str) -> None:
    assert show(value) == shown


@pytest.mark.parametrize(
    ("baselines", "strays"),
    [
        ([100, 100, 100], []),
        ([100, 125, 75], []),
        ([100, 126, 100], [1]),
        ([74, 100, 100], [0]),
        ([46_000, 6_100, 45_000, 47_000], [1]),
        ([100], []),
    ],
)
def test_a_baseline_strays_beyond_a_quarter_of_the_median(
    baselines: list[float], strays: list[int]
) -> None:
    assert find_strays(baselines) == strays


def test_quiet_rounds_are_run_once() -> None:
    rounds = run_rounds(3, playing([100, 110, 90]), BASELINES)
    assert rounds.spread("bare") == Spread(least=90, median=100, most=110)
    assert rounds.notes == []


def test_a_disturbed_round_is_repeated_and_that_is_said() -> None:
    rounds = run_rounds(3, playing([100, 20, 104, 102]), BASELINES)
    assert rounds.spread("bare") == Spread(least=100, median=102, most=104)
    assert rounds.notes == [
        "repeated: bare of round 2, 20.0, strayed by more than 25 % from the median, 100"
    ]


def test_every_limit_of_a_round_is_watched() -> None:
    reads = iter([50, 50, 10, 50])
    quiet = playing([100] * 4)
    rounds = run_rounds(3, lambda: {**quiet(), "read": next(reads)}, ("bare", "read"))
    assert rounds.spread("read") == Spread.of(50)
    assert "read of round 3" in rounds.notes[0]


def test_rounds_that_never_settle_end_and_are_not_to_be_trusted() -> None:
    rounds = run_rounds(3, playing([100, 10, 100, 10, 10, 10]), BASELINES)
    assert [note.partition(":")[0] for note in rounds.notes][:-1] == ["repeated"] * 3
    assert "not to be trusted" in rounds.notes[-1]


def test_rounds_without_a_limit_are_not_judged() -> None:
    assert run_rounds(2, playing([100, 10])).notes == []


def test_a_ratio_is_taken_round_by_round() -> None:
    speeds = iter([{"ours": 100.0, "bare": 50.0}, {"ours": 50.0, "bare": 40.0}])
    rounds = run_rounds(2, lambda: next(speeds))
    assert rounds.ratio("ours", "bare") == Spread.of(2.0, 1.25)
