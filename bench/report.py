"""What a bench hands on: a small table, and every goal beside its result."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.figures import Spread
from bench.goals import Goal, Outcome

Table = list[list[str]]


@dataclass(kw_only=True)
class Report:
    """All that one bench has to say; the first row of its table is the heading."""

    bench: str
    about: str
    table: Table
    outcomes: list[Outcome]
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "Report":
        """Read what `to_json` made."""
        values: dict[str, Any] = json.loads(line)
        values["outcomes"] = [
            Outcome(goal=Goal(**outcome["goal"]), result=Spread(**outcome["result"]))
            for outcome in values["outcomes"]
        ]
        return cls(**values)


def emit(report: Report, *, as_json: bool) -> None:
    """Print a report for people, or as one line of JSON."""
    if as_json:
        print(report.to_json())
    else:
        print_report(report)


def print_report(report: Report) -> None:
    """Print a report for people."""
    print(f"{report.bench}: {report.about}\n")
    print_table(report.table)
    print()
    for outcome in report.outcomes:
        decision = "met" if outcome.is_met else "MISSED"
        goal = outcome.goal
        print(f"  {decision:6}  {goal.what}: {outcome.shown} ({goal.bound})")
    for note in report.notes:
        print(f"  note    {note}")


def print_table(table: Table) -> None:
    """Print rows as columns: names to the left, figures to the right."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        first = row[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        print("  " + "  ".join([first, *rest]).rstrip())
