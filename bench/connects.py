"""A reconnect storm through nginx, beside the bare bulk of the same updates."""

import http.client
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from bench.report import Goal, Report, emit, progress, show, wants_json
from bench.socket_load import Fleet
from bench.stack import Stack
from shared.clock import utc_now
from shared.domain.ids import ModuleHash, NodeId, SessionId
from shared.domain.session import Session, SessionStart
from shared.store import Store
from shared.store.modules import _start_update
from wsd.session_writer import BATCH_MAX_OPERATIONS

ABOUT = "5,000 registered modules come through nginx within one second, the api runs beside"
MODULES = 5_000
SPREAD_SECONDS = 1.0
PROBE_SECONDS = 0.03
LISTED_WITHIN_SECONDS = 20.0
BARE_NODE = NodeId("bare:1:1")


@dataclass
class HealthProbe:
    """Asks the api through nginx how it is, at fixed times, in a thread of its own.

    An answer's time counts from when it was due: whoever waits for a late one asks later, too.
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
    for first in range(0, len(starts), BATCH_MAX_OPERATIONS):
        part = starts[first : first + BATCH_MAX_OPERATIONS]
        assert store.sessions.write(part, []) == len(part)
    return time.monotonic() - started


def undo_bare(store: Store) -> None:
    """Take the sessions out again: no node holds them, and wsd would sweep them in the storm."""
    store.modules._collection.update_many({"session.node": BARE_NODE}, {"$set": {"session": None}})


def touched_indexes(store: Store) -> set[str]:
    """Return the keys of the indexes that a connect's update changes."""
    [start] = make_starts([ModuleHash("0" * 64)])
    changes = _start_update(start)._doc
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


@dataclass(kw_only=True)
class Storm:
    """What the storm came to."""

    seconds: float
    refused: int
    listed_seconds: float
    health: list[float]
    cpu_seconds: dict[str, float]


def raise_storm(stack: Stack, hashes: Sequence[ModuleHash]) -> Storm:
    """Connect everybody at once to the running platform."""
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
    return Storm(
        seconds=result["seconds"],
        refused=len(hashes) - connected,
        listed_seconds=listed_seconds,
        health=health.seconds,
        cpu_seconds={
            program.name: after - start
            for program, start, after in zip(programs, before, used, strict=True)
        },
    )


def main() -> None:
    """Measure, and say what it came to."""
    as_json = wants_json(ABOUT)
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
    emit(make_report(storm, bare_seconds), as_json=as_json)


def make_report(storm: Storm, bare_seconds: float) -> Report:
    """Return the table and the goals."""
    rate, bare_rate = (MODULES - storm.refused) / storm.seconds, MODULES / bare_seconds
    p99 = quantiles(storm.health, n=100)[98]
    table = [["", "modules/s", "seconds", "CPU us each"]]
    table.append(["storm", show(rate), show(storm.seconds), ""])
    for name, used in storm.cpu_seconds.items():
        table.append([f"  {name}", "", "", show(used / MODULES * 1e6)])
    table.append(["bare bulk", show(bare_rate), show(bare_seconds), ""])
    goals = [
        Goal(what="all are connected", result=storm.seconds, at_most=10, unit="s"),
        Goal(what="refused", result=storm.refused, at_most=0, unit="modules"),
        Goal(what="share of the bare bulk's rate", result=rate / bare_rate, at_least=0.7),
        Goal(what="all are listed, after that", result=storm.listed_seconds, at_most=3, unit="s"),
        Goal(what="/healthz meanwhile, p99", result=p99 * 1000, at_most=100, unit="ms"),
    ]
    notes = [
        f"/healthz was asked {len(storm.health)} times, median {show(median(storm.health) * 1000)} "
        "ms; of the indexes, a connect rewrites that on session.node alone"
    ]
    return Report(bench="connects", about=ABOUT, table=table, goals=goals, notes=notes)


if __name__ == "__main__":
    main()
