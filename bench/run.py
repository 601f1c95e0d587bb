"""Run the benches, one after another; a whole run writes RESULTS.md beside this file."""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from bench.environment import (
    FULL_HELP,
    busy_core_seconds,
    describe_all,
    find_slowing,
    measured_environment,
    wait_until_quiet,
)
from bench.progress import progress
from bench.report import Report, print_report
from bench.results import BenchRun, render
from shared.settings import PROJECT_DIR

BENCHES = (
    "heartbeats",
    "idle",
    "connects",
    "listing",
    "registration",
    "dispatch",
    "schedule",
    "command",
)
RESULTS = Path(__file__).with_name("RESULTS.md")


def run(bench: str, *options: str) -> BenchRun:
    """Run one bench in a process of its own, which has nothing of our caller's environment."""
    busy = wait_until_quiet()
    progress(f"--- {bench}")
    started, machine, ours = time.monotonic(), busy_core_seconds(), _core_seconds_of_children()
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{bench}", "--json", *options],
        cwd=PROJECT_DIR,
        env=measured_environment(os.environ),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"The bench of {bench} failed; {RESULTS.name} stays as it was.")
    ours, machine = _core_seconds_of_children() - ours, busy_core_seconds() - machine
    return BenchRun(
        report=Report.from_json(done.stdout.splitlines()[-1]),
        busy_percent_before=busy,
        cores_of_others=max(0.0, machine - ours) / (time.monotonic() - started),
    )


def _core_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Run all, or those named; 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="./manage.sh bench", description=__doc__)
    parser.add_argument("benches", nargs="*", metavar="BENCH", help=f"one of {', '.join(BENCHES)}")
    parser.add_argument("--full", action="store_true", help=FULL_HELP)
    given = parser.parse_args()
    chosen, options = given.benches or list(BENCHES), ["--full"] if given.full else []
    if unknown := sorted(set(chosen) - set(BENCHES)):
        parser.error(f"there is no bench {unknown[0]}")
    if slowing := find_slowing(os.environ):
        progress(f"not passed on to what is measured: {', '.join(slowing)}")
    facts, started, runs = describe_all(), time.monotonic(), []
    for bench in chosen:
        runs.append(run(bench, *options))
        print_report(runs[-1].report)
        print(f"  note    {runs[-1].notes[-1]}\n")
    if set(chosen) == set(BENCHES):
        RESULTS.write_text(render(facts, runs), encoding="utf-8")
        print(f"{RESULTS} is written; it took {time.monotonic() - started:.0f} s.")
    return 0 if all(outcome.is_met for run in runs for outcome in run.report.outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
