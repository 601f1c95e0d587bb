"""RESULTS.md: the goals of all benches first, then what each one measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.environment import QUIET_PERCENT
from bench.figures import show
from bench.report import Report, Table

TITLE = "# What the platform does, beside its limits"
HOW_TO_READ = (
    "Written by `./manage.sh bench`, whole, from one run. Each limit is measured in the same run as "
    "what stands beside it. A figure is the median of its rounds (the least - the most); a share or "
    "a multiple is taken round by round. A round whose limit strays is repeated, and that is said."
)
GOALS_HEAD = ["bench", "goal", "", "result", ""]
OTHERS_CORES = 0.2


@dataclass(kw_only=True)
class BenchRun:
    """One bench's report, and what else the machine had to do before and meanwhile."""

    report: Report
    busy_percent_before: float
    cores_of_others: float

    @property
    def notes(self) -> list[str]:
        """Return the notes of the bench, and that on the machine."""
        others = f"other processes used {show(self.cores_of_others)} cores meanwhile"
        if self.cores_of_others > OTHERS_CORES:
            others = f"**disturbed**: {others}"
        before = f"{self.busy_percent_before:.0f} % busy before"
        if self.busy_percent_before > QUIET_PERCENT:
            before = f"**not quiet**, {before}"
        return [*self.report.notes, f"the machine was {before}; {others}"]


def render(facts: Sequence[str], runs: Sequence[BenchRun]) -> str:
    """Return the whole file."""
    lines = [TITLE, "", HOW_TO_READ, "", *(f"- {fact}" for fact in facts), ""]
    lines += markdown_table([GOALS_HEAD, *_goal_rows(runs)])
    for run in runs:
        report = run.report
        lines += ["", f"## {report.bench}", "", f"{report.about}.", ""]
        lines += [*markdown_table(report.table), "", *(f"- {note}." for note in run.notes)]
    return "\n".join(lines) + "\n"


def _goal_rows(runs: Sequence[BenchRun]) -> Table:
    return [
        [
            run.report.bench,
            outcome.goal.what,
            outcome.goal.bound,
            outcome.shown,
            "met" if outcome.is_met else "**missed**",
        ]
        for run in runs
        for outcome in run.report.outcomes
    ]


def markdown_table(table: Table) -> list[str]:
    """Return rows as Markdown; all columns but the first hold figures or short words."""
    head, *rows = [f"| {' | '.join(cell.strip() for cell in row)} |" for row in table]
    return [head, f"|---|{'---:|' * (len(table[0]) - 1)}", *rows]
