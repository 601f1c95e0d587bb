"""Run every bench, one after another, and write RESULTS.md beside this file."""

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.report import Report, Table, print_report, progress
from shared.settings import PROJECT_DIR

BENCHES = ("heartbeats", "idle", "connects", "listing", "registration")
LIBRARIES = ("websockets", "uvloop", "pymongo", "flask", "gunicorn", "SecantusDB")
RESULTS = Path(__file__).with_name("RESULTS.md")


def run(bench: str) -> Report:
    """Run one bench in a process of its own."""
    progress(f"--- {bench}")
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{bench}", "--json"],
        cwd=PROJECT_DIR,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"The bench of {bench} failed; {RESULTS.name} stays as it was.")
    return Report.from_json(done.stdout.splitlines()[-1])


def describe_machine() -> list[str]:
    """Return what the figures depend on, as list items."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = psutil.virtual_memory().total / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return [
        f"- Measured on {time.strftime('%Y-%m-%d')} at commit `{read_commit()}`, "
        f"load average before: {os.getloadavg()[0]:.1f}",
        f"- {model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} "
        f"{platform.release()}; the load clients run on the same machine",
        f"- Python {platform.python_version()}, {libraries}",
    ]


def read_commit() -> str:
    """Return the commit that is checked out."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def write_results(machine: list[str], reports: list[Report]) -> None:
    """Write the goals of all benches first, then what each one measured."""
    goals = [["bench", "goal", "", "result", ""]]
    for report in reports:
        goals += [
            [
                report.bench,
                goal.what,
                goal.bound,
                goal.shown,
                "met" if goal.is_met else "**missed**",
            ]
            for goal in report.goals
        ]
    lines = ["# What the platform does, beside its limits", ""]
    lines += ["Written by `./manage.sh bench`. Each limit is measured in the same run.", ""]
    lines += [*machine, "", *markdown_table(goals)]
    for report in reports:
        lines += ["", f"## {report.bench}", "", f"{report.about}.", ""]
        lines += [*markdown_table(report.table)]
        lines += ["", *(f"- {note}." for note in report.notes)] if report.notes else []
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def markdown_table(table: Table) -> list[str]:
    """Return rows as Markdown; all columns but the first hold figures or short words."""
    head, *rows = [f"| {' | '.join(cell.strip() for cell in row)} |" for row in table]
    return [head, f"|---|{'---:|' * (len(table[0]) - 1)}", *rows]


def main() -> int:
    """Run them all; 1 if a goal was missed."""
    machine, started = describe_machine(), time.monotonic()
    reports = []
    for bench in BENCHES:
        reports.append(run(bench))
        print_report(reports[-1])
        print()
    write_results(machine, reports)
    print(f"{RESULTS} is written; it took {time.monotonic() - started:.0f} s.")
    return 0 if all(goal.is_met for report in reports for goal in report.goals) else 1


if __name__ == "__main__":
    sys.exit(main())
