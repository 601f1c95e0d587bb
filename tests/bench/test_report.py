"""What a bench hands on to the run."""

import pytest

from bench.figures import Spread
from bench.goals import Goal, Outcome
from bench.report import Report, emit

REPORT = Report(
    bench="heartbeats",
    about="300 modules",
    table=[["", "heartbeats/s"], ["platform", "46,000"]],
    outcomes=[
        Outcome(goal=Goal(what="rate", at_least=1.6), result=Spread.of(1.7)),
        Outcome(
            goal=Goal(what="refused", at_most=0, unit="modules", in_every_round=True),
            result=Spread.of(0, 2),
        ),
    ],
    notes=["a note"],
)


def test_a_report_survives_the_way_between_two_processes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    emit(REPORT, as_json=True)
    assert Report.from_json(capsys.readouterr().out) == REPORT


def test_people_see_what_was_missed(capsys: pytest.CaptureFixture[str]) -> None:
    emit(REPORT, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert "  met     rate: 1.70 (at least 1.60)" in lines
    assert "  MISSED  refused: 1.00 (0.00 - 2.00) modules (at most 0.00 modules)" in lines
    assert "  note    a note" in lines
