"""RESULTS.md: every goal, and what disturbed the measurement."""

from bench.figures import Spread
from bench.goals import Goal, Outcome
from bench.report import Report
from bench.results import BenchRun, render

FACTS = ["Measured on a day at commit `abc`, clean", "two cores"]


def make_run(*, result: float = 2.0, busy: float = 1.0, others: float = 0.01) -> BenchRun:
    report = Report(
        bench="heartbeats",
        about="300 modules",
        table=[["", "heartbeats/s"], ["platform", "46,000"]],
        outcomes=[Outcome(goal=Goal(what="rate", at_least=1.6), result=Spread.of(result))],
        notes=["repeated: one"],
    )
    return BenchRun(report=report, busy_percent_before=busy, cores_of_others=others)


def test_each_goal_stands_beside_its_result() -> None:
    lines = render(FACTS, [make_run(result=2.0), make_run(result=1.5)]).splitlines()
    assert "| heartbeats | rate | at least 1.60 | 2.00 | met |" in lines
    assert "| heartbeats | rate | at least 1.60 | 1.50 | **missed** |" in lines


def test_the_file_says_what_it_was_measured_on_and_what_was_repeated() -> None:
    lines = render(FACTS, [make_run()]).splitlines()
    assert [line for line in lines if line[2:] in FACTS] == [f"- {fact}" for fact in FACTS]
    assert "| platform | 46,000 |" in lines
    assert "- repeated: one." in lines


def test_a_quiet_machine_is_only_mentioned() -> None:
    note = make_run().notes[-1]
    assert note == "the machine was 1 % busy before; other processes used 0.01 cores meanwhile"


def test_a_machine_with_other_work_is_marked() -> None:
    assert "**not quiet**" in make_run(busy=40).notes[-1]
    assert "**disturbed**" in make_run(others=0.7).notes[-1]
