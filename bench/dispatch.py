"""Messages through the whole platform: how soon they arrive, and how many end in a second."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median, quantiles

from bench.bare_writes import BatchSizes, make_messages, write_bare
from bench.environment import begin
from bench.figures import Round, Rounds, Spread, run_rounds, show
from bench.goals import Goal, judge
from bench.progress import progress
from bench.report import Report, Table, emit
from bench.socket_load import Fleet
from bench.stack import Program, Stack
from shared.clock import utc_now
from shared.domain.ids import ModuleHash

ABOUT = (
    "messages sent and their results stored, through nginx, to 1,000 modules, beside the bare "
    "grouped writes of the same messages"
)
MODULES = 1_000
ROUNDS = 2
PACED_RATE = 50
PACED_SECONDS = 3.0
# After a burst, such as a full queue, the change stream rests for a moment.
SETTLE_SECONDS = 2.0
BARE = "bare writes"
POLLED_SECONDS = 5.0
WINDOW = 500
WARM_UP_SECONDS = 2.0
SUSTAINED_SECONDS = 12.0
SUSTAINED_SECONDS_FULL = 60.0
BARE_MESSAGES = 1_000
QUEUE = 1_000
QUEUE_IN_FLIGHT = 50
PROGRAMS = ("database", "wsd", "api", "worker", "nginx")
GOALS = {
    "p50": Goal(what="from HTTP answer to socket at 50/s, p50", at_most=10, unit="ms"),
    "p99": Goal(what="from HTTP answer to socket at 50/s, p99", at_most=60, unit="ms"),
    "polled p99": Goal(what="the same without the change stream, p99", at_most=1100, unit="ms"),
    "rate": Goal(what="sustained, results stored", at_least=350, unit="messages/s"),
    "share": Goal(what="sustained: share of the bare writes' rate", at_least=0.7),
    "again": Goal(what="pushed twice", at_most=0, unit="messages", in_every_round=True),
    "queue": Goal(what="a queue of 1,000 is delivered after", at_most=3, unit="s"),
}


def start_platform(stack: Stack, wsd_module: str = "wsd") -> list[Program]:
    """Start everything that a message passes, and what runs beside."""
    wsd, api = stack.start_wsd(wsd_module), stack.start_api()
    return [stack.database, wsd, api, stack.start_worker(), stack.start_nginx()]


def send_paced(stack: Stack, modules: Fleet, hashes: Sequence[str], seconds: float) -> list[float]:
    """Send at an even pace; return how long each message was on its way, in milliseconds."""
    port = stack.settings.server_port
    sent = modules.do("send", port=port, hashes=hashes, seconds=seconds, rate=PACED_RATE)
    assert sent["given"] >= PACED_RATE * seconds * 0.95, "the pace was not kept"
    return [wait * 1000 for wait in sent["waits"]]


def summarize(waits: Sequence[float]) -> Round:
    """Return the middle of some values, and what 99 of 100 do not pass."""
    return {"p50": median(waits), "p99": quantiles(waits, n=100)[98]}


def empty_queue(stack: Stack, modules: Fleet, module_hash: ModuleHash) -> float:
    """Connect a module that a full queue waits for; return the seconds until it has everything."""
    waiting = [replace(m, node=None) for m in make_messages([module_hash], QUEUE)]
    assert stack.store.messages.insert(waiting) == QUEUE
    modules.do("forget")
    started = time.time()
    port = stack.settings.server_port
    attach(modules, port, [module_hash], QUEUE_IN_FLIGHT)
    done = modules.do("await_work", count=QUEUE)
    assert done["finished"] == len(done["delivered_at"]) == QUEUE, f"{done['finished']} finished"
    time.sleep(SETTLE_SECONDS)
    return float(max(done["delivered_at"]) - started)


def attach(modules: Fleet, port: int, hashes: Sequence[str], in_flight: int = 1) -> None:
    """Connect modules that acknowledge."""
    answers = modules.do("attach", port=port, hashes=hashes, in_flight=in_flight)["answers"]
    assert answers == {"101": len(hashes)}, f"not all modules could connect: {answers}"


def sustain(
    stack: Stack, programs: list[Program], modules: Fleet, hashes: Sequence[str], seconds: float
) -> Round:
    """Keep so many messages under way; return how many ended in a second, and what each cost."""
    progress(f"a sustained load, for {seconds:g} s")
    before = [program.cpu_seconds() for program in programs]
    requests = stack.count_requests()
    port = stack.settings.server_port
    pace = {"seconds": seconds, "warm_up": WARM_UP_SECONDS, "window": WINDOW}
    sent = modules.do("send", port=port, hashes=hashes, **pace)
    requests = stack.count_requests() - requests
    used = [p.cpu_seconds() - start for p, start in zip(programs, before, strict=True)]
    return {
        "rate": sent["rate"],
        "again": sent["delivered_again"],
        "requests": requests / sent["given"],
        **{f"{p.name} CPU": u / sent["given"] * 1e6 for p, u in zip(programs, used, strict=True)},
    }


def measure_bare(stack: Stack, hashes: Sequence[ModuleHash], sizes: BatchSizes) -> Round:
    """Write the lives of messages without the platform; return how many ended in a second."""
    messages = make_messages(hashes, BARE_MESSAGES)
    used = stack.database.cpu_seconds()
    seconds = write_bare(stack.store, messages, sizes)
    used = stack.database.cpu_seconds() - used
    return {BARE: BARE_MESSAGES / seconds, "CPU": used / BARE_MESSAGES * 1e6}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All that was measured with the change stream."""

    sooner: Rounds  # paced loads and full queues
    sustained: Round
    sizes: BatchSizes
    bare: Rounds

    @property
    def share(self) -> Spread:
        """Return the sustained rate as a share of the bare writes' rate."""
        return Spread.of(*(self.sustained["rate"] / one[BARE] for one in self.bare.rounds))


def measure(seconds: float) -> Measured:
    """Measure the platform over a fresh database, then the bare writes in what it has left."""
    with Stack() as stack, Fleet("bench.work_load") as modules:
        everyone = stack.register_modules(MODULES + ROUNDS)
        hashes, queued = everyone[:MODULES], iter(everyone[MODULES:])
        programs = start_platform(stack)
        attach(modules, stack.settings.server_port, hashes)
        send_paced(stack, modules, hashes, 1.0)  # the first ones compile the code
        sooner = run_rounds(
            ROUNDS,
            lambda: {
                **summarize(send_paced(stack, modules, hashes, PACED_SECONDS)),
                "queue": empty_queue(stack, modules, next(queued)),
            },
        )
        since = utc_now()
        sustained = sustain(stack, programs, modules, hashes, seconds)
        sizes = BatchSizes.read(stack.store, since)
        programs[1].process.kill()  # its farewell to the modules is not what is measured
        stack.stop_all_but_database()
        progress("the bare writes")
        bare = run_rounds(ROUNDS, lambda: measure_bare(stack, hashes, sizes), (BARE,))
    return Measured(sooner=sooner, sustained=sustained, sizes=sizes, bare=bare)


def measure_polled() -> Round:
    """Send at an even pace to a node without the change stream."""
    with Stack() as stack, Fleet("bench.work_load") as modules:
        hashes = stack.register_modules(MODULES)
        start_platform(stack, "bench.polling_wsd")
        attach(modules, stack.settings.server_port, hashes)
        progress("a paced load, without the change stream")
        return summarize(send_paced(stack, modules, hashes, POLLED_SECONDS))


def make_table(measured: Measured) -> Table:
    """Return the load, what each program had to do for it, and the bare writes."""
    sustained, bare = measured.sustained, measured.bare
    table = [["", "messages/s", "CPU us each"]]
    table.append(["sustained", show(sustained["rate"]), ""])
    table += [[f"  {name}", "", show(sustained[f"{name} CPU"])] for name in PROGRAMS]
    table.append([BARE, bare.spread(BARE).shown, ""])
    table.append(["  database", "", bare.spread("CPU").shown])
    return table


def describe(sizes: BatchSizes) -> str:
    """Return how many documents the platform wrote in a call."""
    parts = ", ".join(f"{name} {show(size)}" for name, size in asdict(sizes).items())
    return f"documents a call: {parts}; the bare writes are made in the same batches"


def main() -> None:
    """Measure, and say what it came to."""
    wanted = begin(ABOUT)
    seconds = SUSTAINED_SECONDS_FULL if wanted.at_full_length else SUSTAINED_SECONDS
    measured, polled = measure(seconds), measure_polled()
    results = {name: measured.sooner.spread(name) for name in ("p50", "p99", "queue")}
    results |= {name: Spread.of(measured.sustained[name]) for name in ("rate", "again")}
    results |= {"share": measured.share, "polled p99": Spread.of(polled["p99"])}
    report = Report(
        bench="dispatch",
        about=ABOUT,
        table=make_table(measured),
        outcomes=judge(GOALS, results),
        notes=[
            f"sustained for {seconds:g} s, with {WINDOW} messages under way",
            describe(measured.sizes),
            f"database requests a message: {show(measured.sustained['requests'])}",
            f"without the change stream, p50: {show(polled['p50'])} ms",
            *measured.bare.notes,
        ],
    )
    emit(report, as_json=wanted.as_json)


if __name__ == "__main__":
    main()
