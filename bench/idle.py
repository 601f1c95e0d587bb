"""10,000 modules at rest: what an open socket costs one wsd, in memory and in processor time."""

import time

from bench.report import Goal, Report, emit, progress, show, wants_json
from bench.socket_load import Fleet
from bench.stack import Program, Stack

ABOUT = "10,000 modules on one wsd, directly, each with a heartbeat every 30 s"
MODULES = 10_000
WARM_UP = 50
WAVE = 2_500
INTERVAL_SECONDS = 30.0
# One and a half rounds of the reconciliation, three flushes of the heartbeats.
WATCHED_SECONDS = 31.0


def connect_all(stack: Stack, wsd: Program, fleet: Fleet) -> int:
    """Connect everybody in waves; return the wsd's resident bytes from before."""
    hashes = stack.register_modules(MODULES)
    fleet.connect(stack.settings.wsd_port, hashes[:WARM_UP])
    before = wsd.resident_bytes()
    for start in range(WARM_UP, MODULES, WAVE):
        progress(f"{start:,} of {MODULES:,} are connected")
        fleet.connect(stack.settings.wsd_port, hashes[start : start + WAVE])
    return before


def watch(programs: list[Program], fleet: Fleet) -> list[float]:
    """Let the modules heartbeat; return the share of a core that each program used."""
    progress(f"everybody is connected: watching for {WATCHED_SECONDS:g} s")
    started, before = time.monotonic(), [program.cpu_seconds() for program in programs]
    paced = fleet.do("pace", seconds=WATCHED_SECONDS, interval=INTERVAL_SECONDS)
    elapsed = time.monotonic() - started
    # The last ones' confirmations are still on their way.
    assert paced["lost"] == 0, f"{paced['lost']} sockets were lost"
    assert paced["heartbeats"] >= paced["sent"] - MODULES / 100, "heartbeats were not confirmed"
    pairs = zip(programs, before, strict=True)
    return [(program.cpu_seconds() - start) / elapsed for program, start in pairs]


def main() -> None:
    """Measure, and say what it came to."""
    as_json = wants_json(ABOUT)
    with Stack() as stack, Fleet() as fleet:
        wsd = stack.start_wsd()
        before = connect_all(stack, wsd, fleet)
        connected = wsd.resident_bytes()
        wsd_share, database_share = watch([wsd, stack.database], fleet)
        grown = max(connected, wsd.resident_bytes()) - before
        wsd.process.kill()  # its farewell to everybody is not what is measured
    kib = grown / 1024 / (MODULES - WARM_UP)
    table = [
        ["", "KiB a connection", "% of a core"],
        ["wsd", show(kib), show(wsd_share * 100)],
        ["database server", "-", show(database_share * 100)],
    ]
    goals = [
        Goal(what="resident memory of wsd per connection", result=kib, at_most=20, unit="KiB"),
        Goal(what="wsd's share of a core", result=wsd_share * 100, at_most=10, unit="%"),
    ]
    note = (
        "heartbeat flushes, protocol pings and reconciliation at their default intervals included"
    )
    emit(Report(bench="idle", about=ABOUT, table=table, goals=goals, notes=[note]), as_json=as_json)


if __name__ == "__main__":
    main()
