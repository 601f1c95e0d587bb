"""Heartbeats as fast as they are confirmed: the platform beside a bare websockets server."""

from dataclasses import dataclass

from bench.environment import begin
from bench.figures import Round, Rounds, run_rounds, show
from bench.goals import Goal, judge
from bench.report import Report, emit
from bench.socket_load import Fleet
from bench.stack import PYTHON, Program, Stack, free_ports, http_status

ABOUT = "300 modules send a heartbeat as soon as the one before it was confirmed"
MODULES = 300
ROUNDS = 5
SECONDS = 1.5
PLATFORM = "platform"
BARE = "bare websockets server"
BASELINE = f"{BARE}: rate"
GOALS = {
    "rate": Goal(what="times the bare server's rate", at_least=1.6),
    "cpu": Goal(what="CPU of wsd each", at_most=12, unit="us"),
    "requests": Goal(what="database requests per 1,000 heartbeats", at_most=1),
}


@dataclass(kw_only=True)
class Side:
    """One of the two servers with the modules that are connected to it."""

    name: str
    program: Program
    fleet: Fleet
    kib_per_connection: float = 0.0

    def connect(self, port: int, hashes: list[str]) -> None:
        """Connect the modules and weigh their sockets; the first ones only warm the server up."""
        warm_up = len(hashes) // 10
        self.fleet.connect(port, hashes[:warm_up])
        before = self.program.resident_bytes()
        self.fleet.connect(port, hashes[warm_up:])
        grown = self.program.resident_bytes() - before
        self.kib_per_connection = grown / 1024 / (len(hashes) - warm_up)

    def measure(self) -> dict[str, float]:
        """Run one round."""
        before = self.program.cpu_seconds()
        load = self.fleet.do("flood", seconds=SECONDS)
        count = load["heartbeats"]
        return {
            f"{self.name}: heartbeats": count,
            f"{self.name}: rate": count / load["seconds"],
            f"{self.name}: CPU": (self.program.cpu_seconds() - before) / count * 1e6,
            f"{self.name}: client CPU": load["cpu_seconds"] / count * 1e6,
        }

    def row(self, rounds: Rounds) -> list[str]:
        """Return the table's line about it."""
        figures = [rounds.spread(f"{self.name}: {what}") for what in ("rate", "CPU", "client CPU")]
        return [self.name, *(spread.shown for spread in figures), show(self.kib_per_connection)]


def start_bare(stack: Stack) -> tuple[Program, int]:
    """Start the server that only answers."""
    [port] = free_ports(1)
    bare = stack._start("bare", [PYTHON, "-m", "bench.bare_websockets", str(port)])
    bare.wait_until(lambda: http_status(port, "/") is not None)
    return bare, port


def measure_both(stack: Stack, platform: Side, bare: Side) -> Round:
    """Measure both in turn, and what the database was asked while the platform's turn lasted."""
    before = stack.count_requests()
    figures = platform.measure()
    requests = stack.count_requests() - before
    per_thousand = requests / figures[f"{PLATFORM}: heartbeats"] * 1000
    return {**figures, **bare.measure(), "requests": per_thousand}


def main() -> None:
    """Measure, and say what it came to."""
    wanted = begin(ABOUT)
    with Stack() as stack, Fleet() as modules, Fleet() as others:
        hashes: list[str] = [*stack.register_modules(MODULES)]
        stack.start_worker()
        bare_program, bare_port = start_bare(stack)
        platform = Side(name=PLATFORM, program=stack.start_wsd(), fleet=modules)
        bare = Side(name=BARE, program=bare_program, fleet=others)
        platform.connect(stack.settings.wsd_port, hashes)
        bare.connect(bare_port, hashes)
        rounds = run_rounds(ROUNDS, lambda: measure_both(stack, platform, bare), (BASELINE,))
    columns = ["heartbeats/s", "CPU us each", "CPU us of the client", "KiB a connection"]
    results = {
        "rate": rounds.ratio(f"{PLATFORM}: rate", BASELINE),
        "cpu": rounds.spread(f"{PLATFORM}: CPU"),
        "requests": rounds.spread("requests"),
    }
    report = Report(
        bench="heartbeats",
        about=ABOUT,
        table=[["", *columns], platform.row(rounds), bare.row(rounds)],
        outcomes=judge(GOALS, results),
        notes=[
            "what the database was asked meanwhile is the lease, the commands, the other nodes and "
            "the heartbeat flush",
            *rounds.notes,
        ],
    )
    emit(report, as_json=wanted.as_json)


if __name__ == "__main__":
    main()
