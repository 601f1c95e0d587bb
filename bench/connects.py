"""A reconnect storm through nginx, beside the bare bulk of the same updates."""

import http.client
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from bench.environment import begin
from bench.figures import Round, Spread, run_rounds
from bench.goals import Goal, judge
from bench.progress import progress
from bench.report import Report, Table, emit
from bench.socket_load import Fleet
from bench.stack import Stack
from shared.clock import utc_now
from shared.domain.ids import ModuleHash, NodeId, SessionId
from shared.domain.session import Session, SessionStart
from shared.store import Store
from shared.store.sessions import _start_update
from wsd.batch_writer import MAX_OPERATIONS

ABOUT = "5,000 registered modules come through nginx within one second, the api runs beside"
MODULES = 5_000
SPREAD_SECONDS = 1.0
PROBE_SECONDS = 0.03
LISTED_WITHIN_SECONDS = 20.0
BARE_NODE = NodeId("bare:1:1")
ROUNDS = 2
PROGRAMS = ("database", "wsd", "api", "nginx")
GOALS = {
    "seconds": Goal(what="all are connected", at_most=10, unit="s"),
    "refused": Goal(what="refused", at_most=0, unit="modules", in_every_round=True),
    "share": Goal(what="share of the bare bulk's rate", at_least=0.7),
    "wsd CPU": Goal(what="CPU of wsd per connect", at_most=250, unit="us"),
    "listed": Goal(what="all are listed, after that", at_most=3, unit="s"),
    "health": Goal(what="/healthz meanwhile, p99", at_most=100, unit="ms"),
}


@dataclass
class HealthProbe:
    """Asks the api through nginx how it is, at fixed times, in a thread of its own.

    An answer's time counts from when it was due: a late answer delays the next request, too.
    """

    port: int
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "HealthProbe":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, f"/healthz answered {answer.status}"
            self.seconds.append(time.monotonic() - due)
            due += PROBE_SECONDS


def make_starts(hashes: Sequence[ModuleHash]) -> list[SessionStart]:
    """Return the updates that the modules' first connects write."""
    return [
        SessionStart(
            module_hash=module_hash,
            session=Session(
                id=SessionId(uuid.uuid4().hex),
                node=BARE_NODE,
                peer="127.0.0.1:50000",
                connected_at=utc_now(),
            ),
            epoch_before=0,
            epoch=1,
        )
        for module_hash in hashes
    ]


def write_bare(store: Store, hashes: Sequence[ModuleHash]) -> float:
    """Write the sessions in bulks, nothing else; return the seconds."""
    starts = make_starts(hashes)
    started = time.monotonic()
    for first in range(0, len(starts), MAX_OPERATIONS):
        part = starts[first : first + MAX_OPERATIONS]
        assert store.sessions.write(part, []) == len(part)
    return time.monotonic() - started


def undo_bare(store: Store) -> None:
    """Take the sessions out again: no node holds them, and wsd would sweep them in the storm."""
    store.modules._collection.update_many({"session.node": BARE_NODE}, {"$set": {"session": None}})


def touched_indexes(store: Store) -> set[str]:
    """Return the keys of the indexes that a connect's update changes."""
    [start] = make_starts([ModuleHash("0" * 64)])
    changes: dict[str, dict[str, object]] = dict(_start_update(start)._doc)  # type: ignore[arg-type]
    written = {field for fields in changes.values() for field in fields}
    indexes = store.modules._collection.list_indexes()
    keys = {key for index in indexes for key in index["key"]}
    return {key for key in keys if key.split(".")[0] in written}


def wait_until_listed(port: int, count: int) -> float:
    """Return the seconds until the api lists that many modules as online."""
    started = time.monotonic()
    listed = 0
    while listed < count:
        if time.monotonic() - started > LISTED_WITHIN_SECONDS:
            raise RuntimeError(f"only {listed:,} of {count:,} are listed as online")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/module/online")
        listed = connection.getresponse().read().count(b'"module_id"')
        connection.close()
        time.sleep(0.05)
    return time.monotonic() - started


def raise_storm(stack: Stack, hashes: Sequence[ModuleHash]) -> Round:
    """Connect all modules at once to the running platform."""
    stack.start_worker()
    wsd = stack.start_wsd()
    programs = [stack.database, wsd, stack.start_api(), stack.start_nginx()]
    port = stack.settings.server_port
    with Fleet() as fleet:
        before = [program.cpu_seconds() for program in programs]
        progress("the storm")
        with HealthProbe(port) as health:
            result = fleet.do("connect", port=port, hashes=hashes, spread_seconds=SPREAD_SECONDS)
        used = [program.cpu_seconds() for program in programs]
        connected = result["answers"].get("101", 0)
        listed_seconds = wait_until_listed(port, connected)
        wsd.process.kill()  # its farewell to 5,000 modules is not what is measured
    spent = zip(programs, before, used, strict=True)
    return {
        "seconds": result["seconds"],
        "rate": connected / result["seconds"],
        "refused": len(hashes) - connected,
        "listed": listed_seconds,
        "health": quantiles(health.seconds, n=100)[98] * 1000,
        **{f"{p.name} CPU": (after - start) / len(hashes) * 1e6 for p, start, after in spent},
    }


def measure() -> Round:
    """Run one storm between the two halves of the bare bulk, over a fresh database."""
    with Stack() as stack:
        hashes = stack.register_modules(2 * MODULES)
        touched = touched_indexes(stack.store)
        assert touched == {"session.node"}, f"a connect rewrites the indexes on {touched}"
        ours, first, second = hashes[:MODULES], hashes[MODULES::2], hashes[MODULES + 1 :: 2]
        progress("the bare bulk, first half")
        bare_seconds = write_bare(stack.store, first)
        undo_bare(stack.store)
        storm = raise_storm(stack, ours)
        stack.stop_all_but_database()
        progress("the bare bulk, second half")
        bare_seconds += write_bare(stack.store, second)
    return {**storm, "bare seconds": bare_seconds, "bare rate": MODULES / bare_seconds}


def main() -> None:
    """Measure, and say what it came to."""
    wanted = begin(ABOUT)
    rounds = run_rounds(ROUNDS, measure, ("bare rate",))
    figures: dict[str, Spread] = {name: rounds.spread(name) for name in rounds.rounds[0]}
    results = {name: figures[name] for name in GOALS if name != "share"}
    results["share"] = rounds.ratio("rate", "bare rate")
    report = Report(
        bench="connects",
        about=ABOUT,
        table=make_table(figures),
        outcomes=judge(GOALS, results),
        notes=["of the indexes, a connect rewrites that on session.node alone", *rounds.notes],
    )
    emit(report, as_json=wanted.as_json)


def make_table(figures: dict[str, Spread]) -> Table:
    """Return the storm, what each program had to do for it, and the bare bulk."""
    table = [["", "modules/s", "seconds", "CPU us each"]]
    table.append(["storm", figures["rate"].shown, figures["seconds"].shown, ""])
    table += [[f"  {name}", "", "", figures[f"{name} CPU"].shown] for name in PROGRAMS]
    table.append(["bare bulk", figures["bare rate"].shown, figures["bare seconds"].shown, ""])
    return table


if __name__ == "__main__":
    main()
