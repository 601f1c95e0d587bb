"""What a bench hands on: a small table, and every goal beside its result."""

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

Table = list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One promise: what was measured, and the least or the most that it may be."""

    what: str
    result: float
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""

    @property
    def is_met(self) -> bool:
        """Return whether the result is on the right side of the goal."""
        if self.at_least is not None and self.result < self.at_least:
            return False
        return self.at_most is None or self.result <= self.at_most

    @property
    def bound(self) -> str:
        """Return the goal in words."""
        if self.at_least is not None:
            return f"at least {show(self.at_least)}{self._unit}"
        assert self.at_most is not None
        return f"at most {show(self.at_most)}{self._unit}"

    @property
    def shown(self) -> str:
        """Return the result with its unit."""
        return f"{show(self.result)}{self._unit}"

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""


@dataclass(kw_only=True)
class Report:
    """All that one bench has to say; the first row of its table is the heading."""

    bench: str
    about: str
    table: Table
    goals: list[Goal]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def from_json(cls, line: str) -> "Report":
        """Read what `emit` wrote."""
        values: dict[str, Any] = json.loads(line)
        values["goals"] = [Goal(**goal) for goal in values["goals"]]
        return cls(**values)


def wants_json(about: str) -> bool:
    """Read a bench's command line: --json or nothing."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    return bool(parser.parse_args().json)


def emit(report: Report, *, as_json: bool) -> None:
    """Print a report for people, or as one line of JSON."""
    if as_json:
        print(json.dumps(asdict(report)))
    else:
        print_report(report)


def print_report(report: Report) -> None:
    """Print a report for people."""
    print(f"{report.bench}: {report.about}\n")
    print_table(report.table)
    print()
    for goal in report.goals:
        decision = "met" if goal.is_met else "MISSED"
        print(f"  {decision:6}  {goal.what}: {goal.shown} ({goal.bound})")
    for note in report.notes:
        print(f"  note    {note}")


def print_table(table: Table) -> None:
    """Print rows as columns: names to the left, figures to the right."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        first = row[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        print("  " + "  ".join([first, *rest]).rstrip())


def show(value: float) -> str:
    """Return a number as people read it."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def progress(text: str) -> None:
    """Tell whoever waits what is going on; standard output is for the results."""
    print(text, file=sys.stderr, flush=True)
