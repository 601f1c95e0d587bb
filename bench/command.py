"""`platformctl list`: the command beside a bare process that reads the same documents."""

import subprocess
import time

from bench.environment import begin
from bench.figures import Round, run_rounds
from bench.goals import Goal, judge
from bench.listing import NODE, connect_all
from bench.report import Report, emit
from bench.stack import PYTHON, Stack
from shared.settings import PROJECT_DIR

ABOUT = (
    "platformctl list with 1,000 modules online, beside a bare Python that reads their documents"
)
MODULES = 1_000
ROUNDS = 5
COMMAND = [str(PROJECT_DIR / "platformctl"), "list"]
# The driver's threads take half a second to end; the command does not wait for them either.
READ = """
import os, sys, pymongo
modules = pymongo.MongoClient(sys.argv[1])[sys.argv[2]].modules
print(len([*modules.find({"session.node": {"$in": [sys.argv[3]]}})]), flush=True)
os._exit(0)
"""
GOALS = {"seconds": Goal(what="platformctl list of 1,000 modules", at_most=0.6, unit="s")}


def time_program(command: list[str]) -> tuple[float, str]:
    """Run a program; return the seconds and what it printed."""
    started = time.monotonic()
    done = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, check=True)
    return time.monotonic() - started, done.stdout


def measure(stack: Stack) -> Round:
    """Run both once."""
    settings = stack.settings
    address = [settings.database_url, settings.mongodb_name, NODE]
    bare, read = time_program([PYTHON, "-c", READ, *address])
    ours, listed = time_program(COMMAND)
    assert int(read) == MODULES
    assert listed.count("module-") == MODULES, f"{listed.count('module-')} modules are listed"
    return {"ours": ours, "bare": bare}


def main() -> None:
    """Measure, and say what it came to."""
    wanted = begin(ABOUT)
    with Stack() as stack:
        stack.register_modules(MODULES)
        connect_all(stack)
        stack.start_worker()
        measure(stack)  # the first one compiles the code
        rounds = run_rounds(ROUNDS, lambda: measure(stack), ("bare",))
    table = [["", "seconds"]]
    table.append(["platformctl list", rounds.spread("ours").shown])
    table.append(["bare Python and driver", rounds.spread("bare").shown])
    outcomes = judge(GOALS, {"seconds": rounds.spread("ours")})
    report = Report(
        bench="command", about=ABOUT, table=table, outcomes=outcomes, notes=rounds.notes
    )
    emit(report, as_json=wanted.as_json)


if __name__ == "__main__":
    main()
