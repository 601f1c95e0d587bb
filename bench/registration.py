"""Registering modules over HTTP, beside the same reads and writes without HTTP."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, cycle, islice
from threading import Barrier

import orjson

from bench.environment import begin
from bench.figures import Round, run_rounds
from bench.goals import Goal, judge
from bench.http_load import run_load
from bench.report import Report, emit
from bench.stack import Program, Stack
from shared.clock import utc_now
from shared.domain.module import Registration
from shared.services.registration import register_module
from shared.settings import Settings
from shared.store import Store, connect

ABOUT = "POST /module/register with 16 clients, beside the same reads and writes without HTTP"
CLIENTS = 16
ROUNDS = 3
NEW_PER_ROUND = 320
REPEATED_PER_ROUND = 3200
Work = Callable[[Store, int], None]

NEW = "new, HTTP"
BARE_NEW = "new, the same without HTTP"
REPEATED = "repeated, HTTP"
BARE_READ = "the bare read, 16 processes"
POOLED_READ = "the bare read, threads of 2 processes"
SIDES = (NEW, BARE_NEW, REPEATED, BARE_READ, POOLED_READ)
GOALS = {
    "new": Goal(what="new: rate", at_least=300, unit="registrations/s"),
    "new share": Goal(what="new: share of the bare rate", at_least=0.7),
    "repeated share": Goal(what="repeated: share of the bare read's rate", at_least=0.7),
}


def make_registration(number: int) -> Registration:
    """Return what a module says about itself."""
    requirement = {"table_kind": "fact", "table_name": "grid_load", "table_columns": ["mw"]}
    return Registration(
        name=f"bench-{number}", description="Tomorrow's load", data_requirement=[requirement]
    )


def make_request(number: int) -> bytes:
    """Return the same as an HTTP request."""
    said = make_registration(number)
    words = {"name": said.name, "description": said.description}
    body = orjson.dumps(words | {"dataRequirement": said.data_requirement})
    head = "POST /module/register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def write_new(store: Store, number: int) -> None:
    """Register a new module without HTTP."""
    assert register_module(store, make_registration(number), utc_now()).is_new


def read_known(store: Store, number: int) -> None:
    """Read a registered module without HTTP: the one read of a repeated registration."""
    assert store.modules.get(make_registration(number).module_hash)


def run_bare(settings: Settings, work: Work, numbers: Sequence[int], processes: int) -> float:
    """Do the work with all clients at once, in this many processes; return the rate."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(processes + 1)
    parts = [numbers[start::processes] for start in range(processes)]
    workers = [
        context.Process(target=_work_part, args=(settings, work, part, processes, barrier))
        for part in parts
    ]
    for worker in workers:
        worker.start()
    barrier.wait()
    started = time.perf_counter()
    barrier.wait()
    seconds = time.perf_counter() - started
    for worker in workers:
        worker.join()
    return len(numbers) / seconds


def _work_part(
    settings: Settings, work: Work, numbers: Sequence[int], processes: int, barrier: Barrier
) -> None:
    threads = CLIENTS // processes
    store = connect(settings, timeout_ms=20_000)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: store.ping(), range(threads)))
        barrier.wait()
        list(pool.map(lambda number: work(store, number), numbers))
        barrier.wait()
    store.close()


def run_http(name: str, stack: Stack, api: Program, requests: Iterator[bytes]) -> Round:
    """Send the requests over HTTP with all clients at once."""
    before = api.cpu_seconds()
    load = run_load(stack.settings.api_port, requests, CLIENTS, seconds=60)
    assert not load.failures, f"{load.failures} registrations failed"
    cpu = (api.cpu_seconds() - before) / load.answers * 1e6
    return {name: load.rate, f"{name}: CPU": cpu}


def measure(stack: Stack, api: Program, number: int) -> Round:
    """Run all the ways in turn, with modules of this round's own."""
    first = number * 2 * NEW_PER_ROUND
    by_http = range(first, first + NEW_PER_ROUND)
    without = range(first + NEW_PER_ROUND, first + 2 * NEW_PER_ROUND)
    known = list(islice(cycle(by_http), REPEATED_PER_ROUND))
    bare_new = run_bare(stack.settings, write_new, without, CLIENTS)
    new = run_http(NEW, stack, api, map(make_request, by_http))
    bare_read = run_bare(stack.settings, read_known, known, CLIENTS)
    pooled = run_bare(stack.settings, read_known, known, 2)
    repeated = run_http(REPEATED, stack, api, map(make_request, known))
    return {**new, **repeated, BARE_NEW: bare_new, BARE_READ: bare_read, POOLED_READ: pooled}


def main() -> None:
    """Measure, and say what it came to."""
    wanted = begin(ABOUT)
    with Stack() as stack:
        stack.start_worker()
        api, numbers = stack.start_api(), count()
        rounds = run_rounds(
            ROUNDS, lambda: measure(stack, api, next(numbers)), (BARE_NEW, BARE_READ)
        )
    results = {
        "new": rounds.spread(NEW),
        "new share": rounds.ratio(NEW, BARE_NEW),
        "repeated share": rounds.ratio(REPEATED, BARE_READ),
    }
    table = [["", "per second", "CPU us of the api"]]
    for side in SIDES:
        cpu = rounds.spread(f"{side}: CPU").shown if side in (NEW, REPEATED) else "-"
        table.append([side, rounds.spread(side).shown, cpu])
    notes = [
        "the reads without HTTP come from 16 clients of a process each; from the threads of two "
        "processes, as gunicorn has them, the share is "
        f"{rounds.ratio(REPEATED, POOLED_READ).shown}: there two cores are busy with the driver "
        "and the database alone",
        *rounds.notes,
    ]
    outcomes = judge(GOALS, results)
    emit(
        Report(bench="registration", about=ABOUT, table=table, outcomes=outcomes, notes=notes),
        as_json=wanted.as_json,
    )


if __name__ == "__main__":
    main()
