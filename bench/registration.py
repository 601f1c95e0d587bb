"""Registering modules over HTTP, beside the same reads and writes without HTTP."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle, islice
from statistics import median
from threading import Barrier

import orjson

from bench.http_load import run_load
from bench.report import Goal, Report, emit, progress, show, wants_json
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


@dataclass(kw_only=True)
class Side:
    """One way of registering, and what its rounds came to."""

    name: str
    rates: list[float] = field(default_factory=list)
    cpu_microseconds: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Return the median rate."""
        return median(self.rates)


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


def run_http(side: Side, stack: Stack, api: Program, requests: Iterator[bytes]) -> None:
    """Send the requests over HTTP with all clients at once."""
    before = api.cpu_seconds()
    load = run_load(stack.settings.api_port, requests, CLIENTS, seconds=60)
    assert not load.failures, f"{load.failures} registrations failed"
    side.rates.append(load.rate)
    side.cpu_microseconds.append((api.cpu_seconds() - before) / load.answers * 1e6)


def measure(stack: Stack) -> list[Side]:
    """Run all the ways in turn."""
    new, bare_new = Side(name="new, HTTP"), Side(name="new, the same without HTTP")
    repeated, bare_read = Side(name="repeated, HTTP"), Side(name="the bare read, 16 processes")
    pooled = Side(name="the bare read, threads of 2 processes")
    api = stack.start_api()
    for number in range(ROUNDS):
        progress(f"round {number + 1} of {ROUNDS}")
        first = number * 2 * NEW_PER_ROUND
        by_http = range(first, first + NEW_PER_ROUND)
        without = range(first + NEW_PER_ROUND, first + 2 * NEW_PER_ROUND)
        bare_new.rates.append(run_bare(stack.settings, write_new, without, CLIENTS))
        run_http(new, stack, api, map(make_request, by_http))
        known = list(islice(cycle(by_http), REPEATED_PER_ROUND))
        bare_read.rates.append(run_bare(stack.settings, read_known, known, CLIENTS))
        pooled.rates.append(run_bare(stack.settings, read_known, known, 2))
        run_http(repeated, stack, api, map(make_request, known))
    return [new, bare_new, repeated, bare_read, pooled]


def main() -> None:
    """Measure, and say what it came to."""
    as_json = wants_json(ABOUT)
    with Stack() as stack:
        sides = measure(stack)
    new, bare_new, repeated, bare_read, pooled = sides
    table = [["", "per second", "CPU us of the api"]]
    for side in sides:
        cpu = show(median(side.cpu_microseconds)) if side.cpu_microseconds else "-"
        table.append([side.name, show(side.rate), cpu])
    goals = [
        Goal(what="new: share of the bare rate", result=new.rate / bare_new.rate, at_least=0.7),
        Goal(
            what="repeated: share of the bare read's rate",
            result=repeated.rate / bare_read.rate,
            at_least=0.7,
        ),
    ]
    notes = [
        "the reads without HTTP come from 16 clients of a process each; from the threads of two "
        f"processes, as gunicorn has them, the share is {show(repeated.rate / pooled.rate)}: "
        "there two cores are busy with the driver and the database alone"
    ]
    report = Report(bench="registration", about=ABOUT, table=table, goals=goals, notes=notes)
    emit(report, as_json=as_json)


if __name__ == "__main__":
    main()
