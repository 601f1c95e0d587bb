"""10,000 modules at rest: what an open socket costs one wsd, in memory and in processor time."""

import time

from bench.environment import begin
from bench.figures import Round, Spread, run_rounds
from bench.goals import Goal, judge
from bench.progress import progress
from bench.report import Report, emit
from bench.socket_load import Fleet
from bench.stack import Program, Stack

ABOUT = "10,000 modules on one wsd, directly, each with a heartbeat every 30 s"
MODULES = 10_000
WARM_UP = 50
WAVE = 2_500
INTERVAL_SECONDS = 30.0
ROUNDS = 2
# A whole round of the reconciliation and of the protocol pings, two flushes of the heartbeats.
WATCHED_SECONDS = 20.0
GOALS = {
    "memory": Goal(what="resident memory of wsd per connection", at_most=9, unit="KiB"),
    "wsd": Goal(what="wsd's share of a core", at_most=5, unit="%"),
    "database": Goal(what="the database server's share of a core", at_most=7, unit="%"),
}


def connect_all(stack: Stack, wsd: Program, fleet: Fleet) -> int:
    """Connect all modules in waves; return the wsd's resident bytes from before."""
    hashes = stack.register_modules(MODULES)
    fleet.connect(stack.settings.wsd_port, hashes[:WARM_UP])
    before = wsd.resident_bytes()
    for start in range(WARM_UP, MODULES, WAVE):
        progress(f"{start:,} of {MODULES:,} are connected")
        fleet.connect(stack.settings.wsd_port, hashes[start : start + WAVE])
    return before


def watch(programs: list[Program], fleet: Fleet) -> Round:
    """Let the modules heartbeat; return the percentage of a core that each program used."""
    started, before = time.monotonic(), [program.cpu_seconds() for program in programs]
    paced = fleet.do("pace", seconds=WATCHED_SECONDS, interval=INTERVAL_SECONDS)
    elapsed = time.monotonic() - started
    # The last ones' confirmations are still on their way.
    assert paced["lost"] == 0, f"{paced['lost']} sockets were lost"
    assert paced["heartbeats"] >= paced["sent"] - MODULES / 100, "heartbeats were not confirmed"
    pairs = zip(programs, before, strict=True)
    return {p.name: (p.cpu_seconds() - start) / elapsed * 100 for p, start in pairs}


def main() -> None:
    """Measure, and say what it came to."""
    wanted = begin(ABOUT)
    with Stack() as stack, Fleet() as fleet:
        stack.start_worker()
        wsd = stack.start_wsd()
        before = connect_all(stack, wsd, fleet)
        connected = wsd.resident_bytes()
        rounds = run_rounds(ROUNDS, lambda: watch([wsd, stack.database], fleet))
        grown = max(connected, wsd.resident_bytes()) - before
        wsd.process.kill()  # closing all sockets is not what is measured
    results = {
        "memory": Spread.of(grown / 1024 / (MODULES - WARM_UP)),
        "wsd": rounds.spread("wsd"),
        "database": rounds.spread("database"),
    }
    table = [
        ["", "KiB a connection", "% of a core"],
        ["wsd", results["memory"].shown, results["wsd"].shown],
        ["database server", "-", results["database"].shown],
    ]
    notes = [
        "heartbeat flushes, protocol pings and reconciliation at their default intervals included",
        *rounds.notes,
    ]
    report = Report(
        bench="idle", about=ABOUT, table=table, outcomes=judge(GOALS, results), notes=notes
    )
    emit(report, as_json=wanted.as_json)


if __name__ == "__main__":
    main()
