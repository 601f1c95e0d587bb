"""10,000 workflows: what they cost between their firings, and how late 1,000 are that are due at once."""

import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle
from statistics import median, quantiles

from bench.environment import begin
from bench.figures import Round, Rounds, Spread, run_rounds, show
from bench.goals import Goal, judge
from bench.progress import progress
from bench.report import Report, Table, emit
from bench.socket_load import Fleet
from bench.stack import Program, Stack
from shared.clock import utc_now
from shared.domain.ids import ModuleHash, WorkflowId
from shared.domain.workflow import Step, Workflow
from shared.store.workflows import to_document

ABOUT = "10,000 workflows of one step each, 1,000 of them due in the same second"
WORKFLOWS = 10_000
DUE = 1_000
ROUNDS = 2
QUIET_SECONDS = 5.0
SETTLE_SECONDS = 3.0  # the worker starts, and sees what is new for the first time
LEAD_SECONDS = 4
GOALS = {
    "resting": Goal(what="worker and database between firings, of a core", at_most=2, unit="%"),
    "all": Goal(what="1,000 due in one second: all are at their modules", at_most=3, unit="s"),
    "again": Goal(what="pushed twice", at_most=0, unit="messages", in_every_round=True),
}


def make_workflows(hashes: Sequence[ModuleHash]) -> list[Workflow]:
    """Return workflows that are due once a day, more than an hour from now, spread over the day."""
    now = utc_now()
    day = [now + timedelta(minutes=90 + minute % 1200) for minute in range(WORKFLOWS)]
    return [
        make_workflow(WorkflowId(number), module_hash, due.replace(second=0, microsecond=0))
        for number, (module_hash, due) in enumerate(zip(cycle(hashes), day, strict=False), 1)
    ]


def make_workflow(number: WorkflowId, module_hash: ModuleHash, due: datetime) -> Workflow:
    """Return a workflow that is due then, and every day after."""
    now = utc_now()
    return Workflow(
        workflow_id=number,
        name=f"workflow-{number}",
        steps=(Step(name="forecast", module_hash=module_hash, args={"horizon_hours": 72}),),
        crons=(f"{due.minute} {due.hour} * * *",),
        timezone="UTC",
        shift_time=due.second,
        created_at=now,
        updated_at=now,
        next_due_at=due,
    )


def watch(programs: list[Program]) -> Round:
    """Return the percentage of a core that each program uses while nothing is due."""
    started, before = time.monotonic(), [program.cpu_seconds() for program in programs]
    time.sleep(QUIET_SECONDS)
    elapsed = time.monotonic() - started
    pairs = zip(programs, before, strict=True)
    return {p.name: (p.cpu_seconds() - start) / elapsed * 100 for p, start in pairs}


def arm(stack: Stack, numbers: range) -> float:
    """Have these workflows be due at the same moment, soon; return it."""
    due = math.ceil(time.time()) + LEAD_SECONDS
    at = datetime.fromtimestamp(due, UTC)
    changed = to_document(make_workflow(WorkflowId(0), ModuleHash(""), at))
    fields = {name: changed[name] for name in ("crons", "shift_time", "next_due_at")}
    collection = stack.store.workflows._collection
    chosen = {"_id": {"$gte": numbers.start, "$lt": numbers.stop}}
    armed = collection.update_many(chosen, {"$set": fields})
    assert armed.modified_count == len(numbers)
    assert time.time() < due - 1, "it took too long to change the workflows"
    return float(due)


def fire(stack: Stack, programs: list[Program], modules: Fleet, numbers: range) -> Round:
    """Have these workflows be due at once, each at a module of its own; return how late they were."""
    modules.do("forget")
    due = arm(stack, numbers)
    before = [program.cpu_seconds() for program in programs]
    done = modules.do("await_work", count=len(numbers))
    used = [p.cpu_seconds() - start for p, start in zip(programs, before, strict=True)]
    late = [at - due for at in done["delivered_at"]]
    assert done["finished"] == len(late) == len(numbers), f"only {len(late):,} were delivered"
    assert min(late) >= 0, f"one came {-min(late):.3f} s early"
    return {
        "p50": median(late),
        "p99": quantiles(late, n=100)[98],
        "all": max(late),
        "again": done["delivered_again"],
        **{f"{p.name} CPU": u / len(late) * 1e6 for p, u in zip(programs, used, strict=True)},
    }


def make_table(resting: Rounds, empty: Round, rounds: Rounds) -> Table:
    """Return what each program did between the firings, and at them."""
    table = [["", "% of a core at rest", "without workflows", "CPU us a firing"]]
    for name in ("worker", "database", "wsd"):
        watched = name in empty
        rest = resting.spread(name).shown if watched else "-"
        without = show(empty[name]) if watched else "-"
        table.append([name, rest, without, rounds.spread(f"{name} CPU").shown])
    return table


def main() -> None:
    """Measure, and say what it came to."""
    wanted = begin(ABOUT)
    with Stack() as stack, Fleet("bench.work_load") as modules:
        hashes = stack.register_modules(DUE)
        programs = [stack.database, stack.start_worker()]
        progress("no workflows")
        time.sleep(SETTLE_SECONDS)
        empty = watch(programs)
        documents = [to_document(workflow) for workflow in make_workflows(hashes)]
        stack.store.workflows._collection.insert_many(documents)
        time.sleep(SETTLE_SECONDS)
        resting = run_rounds(ROUNDS, lambda: watch(programs))
        programs.append(stack.start_wsd())
        modules.do("attach", port=stack.settings.wsd_port, hashes=hashes)
        due = (range(first, first + DUE) for first in range(1, WORKFLOWS, DUE))
        rounds = run_rounds(ROUNDS, lambda: fire(stack, programs, modules, next(due)))
    results = {name: rounds.spread(name) for name in ("all", "again")}
    results["resting"] = Spread.of(*(r["worker"] + r["database"] for r in resting.rounds))
    report = Report(
        bench="schedule",
        about=ABOUT,
        table=make_table(resting, empty, rounds),
        outcomes=judge(GOALS, results),
        notes=[
            f"from the due second to the module's socket: p50 {rounds.spread('p50').shown} s, "
            f"p99 {rounds.spread('p99').shown} s",
            *rounds.notes,
        ],
    )
    emit(report, as_json=wanted.as_json)


if __name__ == "__main__":
    main()
