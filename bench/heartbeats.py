"""Heartbeats as fast as they are confirmed: the platform beside a bare websockets server."""

from dataclasses import dataclass, field
from statistics import median
from typing import Any

from pymongo import MongoClient

from bench.report import Goal, Report, emit, progress, show, wants_json
from bench.socket_load import Fleet
from bench.stack import PYTHON, Program, Stack, free_ports, http_status

ABOUT = "300 modules send a heartbeat as soon as the one before it was confirmed"
MODULES = 300
ROUNDS = 4
SECONDS = 1.5


@dataclass(kw_only=True)
class Side:
    """One of the two servers with the modules that are connected to it."""

    name: str
    program: Program
    fleet: Fleet
    kib_per_connection: float = 0.0
    rates: list[float] = field(default_factory=list)
    cpu_microseconds: list[float] = field(default_factory=list)
    client_microseconds: list[float] = field(default_factory=list)
    heartbeats: int = 0

    def connect(self, port: int, hashes: list[str]) -> None:
        """Connect the modules and weigh their sockets; the first ones only warm the server up."""
        warm_up = len(hashes) // 10
        self.fleet.connect(port, hashes[:warm_up])
        before = self.program.resident_bytes()
        self.fleet.connect(port, hashes[warm_up:])
        grown = self.program.resident_bytes() - before
        self.kib_per_connection = grown / 1024 / (len(hashes) - warm_up)

    def measure(self) -> None:
        """Run one round."""
        before = self.program.cpu_seconds()
        load = self.fleet.do("flood", seconds=SECONDS)
        count = load["heartbeats"]
        self.heartbeats += count
        self.rates.append(count / load["seconds"])
        self.cpu_microseconds.append((self.program.cpu_seconds() - before) / count * 1e6)
        self.client_microseconds.append(load["cpu_seconds"] / count * 1e6)

    def row(self) -> list[str]:
        """Return the table's line about it."""
        return [
            self.name,
            show(median(self.rates)),
            show(median(self.cpu_microseconds)),
            show(median(self.client_microseconds)),
            show(self.kib_per_connection),
        ]


def start_bare(stack: Stack) -> tuple[Program, int]:
    """Start the server that only answers."""
    [port] = free_ports(1)
    bare = stack._start("bare", [PYTHON, "-m", "bench.bare_websockets", str(port)])
    bare.wait_until(lambda: http_status(port, "/") is not None)
    return bare, port


def count_requests(stack: Stack) -> int:
    """Return how many requests the database server has taken so far."""
    with MongoClient[dict[str, Any]](stack.settings.database_url) as client:
        return int(client.admin.command("serverStatus")["network"]["numRequests"])


def compare(stack: Stack, platform: Side, bare: Side) -> float:
    """Measure both in turn; return the database requests per heartbeat of the platform."""
    requests = 0
    for number in range(ROUNDS):
        progress(f"round {number + 1} of {ROUNDS}")
        before = count_requests(stack)
        platform.measure()
        requests += count_requests(stack) - before
        bare.measure()
    return requests / platform.heartbeats


def main() -> None:
    """Measure, and say what it came to."""
    as_json = wants_json(ABOUT)
    with Stack() as stack, Fleet() as modules, Fleet() as others:
        hashes: list[str] = [*stack.register_modules(MODULES)]
        bare_program, bare_port = start_bare(stack)
        platform = Side(name="platform", program=stack.start_wsd(), fleet=modules)
        bare = Side(name="bare websockets server", program=bare_program, fleet=others)
        platform.connect(stack.settings.wsd_port, hashes)
        bare.connect(bare_port, hashes)
        requests = compare(stack, platform, bare)
    columns = ["heartbeats/s", "CPU us each", "CPU us of the client", "KiB a connection"]
    goals = [
        Goal(
            what="share of the bare server's rate",
            result=median(platform.rates) / median(bare.rates),
            at_least=0.85,
        ),
        Goal(what="database requests per 1,000 heartbeats", result=requests * 1000, at_most=1),
    ]
    report = Report(
        bench="heartbeats",
        about=ABOUT,
        table=[["", *columns], platform.row(), bare.row()],
        goals=goals,
        notes=[
            f"{platform.heartbeats:,} heartbeats of the platform; what the database was asked "
            "meanwhile is the lease, the commands, the other nodes and the heartbeat flush"
        ],
    )
    emit(report, as_json=as_json)


if __name__ == "__main__":
    main()
