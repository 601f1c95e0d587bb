"""Listing the modules that are online: the platform beside a bare Flask route that returns the same bytes."""

import os
import urllib.request
from dataclasses import dataclass
from datetime import timedelta
from itertools import repeat

from bench.environment import begin
from bench.figures import Round, Rounds, run_rounds
from bench.goals import Goal, judge
from bench.http_load import run_load
from bench.progress import progress
from bench.report import Report, emit
from bench.stack import PYTHON, Program, Stack, free_ports, http_status
from shared.clock import utc_now
from shared.domain.ids import NodeId
from shared.domain.node import Node
from shared.services.nodes import enrol_node

ABOUT = "GET /module/online, unfiltered, beside a bare Flask route under the same gunicorn"
REQUEST = b"GET /module/online HTTP/1.1\r\nHost: localhost\r\n\r\n"
CONNECTIONS = 16
ROUNDS = 5
SECONDS = 1.0
NODE = NodeId("bench:1:1")
PLATFORM = "platform"
BARE = "bare route"
GOALS = {
    "share": Goal(what="300 online: share of the bare rate", at_least=0.5),
    "rate": Goal(what="300 online: rate", at_least=3000, unit="answers/s"),
    "times": Goal(what="10,000 online, unchanged: times the bare route's time", at_most=1.3),
}


@dataclass(kw_only=True)
class Side:
    """One of the two servers."""

    name: str
    port: int
    program: Program

    def measure(self, connections: int) -> Round:
        """Run one round."""
        before = self.program.cpu_seconds()
        load = run_load(self.port, repeat(REQUEST), connections, SECONDS)
        assert not load.failures, f"{self.name}: {load.failures} answers were failures"
        return {
            f"{self.name}: rate": load.rate,
            f"{self.name}: ms": load.median_seconds * 1000,
            f"{self.name}: CPU": (self.program.cpu_seconds() - before) / load.answers * 1e6,
        }


def connect_all(stack: Stack) -> None:
    """Have a node with a long lease hold a session of every module."""
    now = utc_now()
    lease = now + timedelta(hours=1)
    node = Node(id=NODE, address="bench:1", renewals=1, lease_until=lease, started_at=now)
    enrol_node(stack.store, node, node.started_at)
    session = {"id": "session", "node": NODE, "peer": "192.0.2.7:50000", "connected_at": now}
    connected = {"session": session, "epoch": 1, "state_since": now, "last_login_time": now}
    stack.store.modules._collection.update_many({}, {"$set": connected})


def compare(online: int, connections: int) -> tuple[Rounds, int]:
    """Measure both sides in turn with this many modules online; return the rounds and the size."""
    with Stack() as stack:
        stack.register_modules(online)
        connect_all(stack)
        stack.start_worker()
        platform = Side(name=PLATFORM, port=stack.settings.api_port, program=stack.start_api())
        address = f"http://127.0.0.1:{platform.port}/module/online"
        # The first listing of ten thousand takes as long as a caller waits at most: then it is 503.
        platform.program.wait_until(lambda: http_status(platform.port, "/module/online") == 200)
        with urllib.request.urlopen(address, timeout=10) as answer:
            body = answer.read()
        assert body.count(b'"module_id"') == online
        bare = start_bare(stack, body)
        run_load(platform.port, repeat(REQUEST), CONNECTIONS, SECONDS)  # every worker reads once
        progress(f"{online:,} online")
        rounds = run_rounds(
            ROUNDS,
            lambda: {**bare.measure(connections), **platform.measure(connections)},
            (f"{BARE}: rate",),
        )
        return rounds, len(body)


def start_bare(stack: Stack, body: bytes) -> Side:
    """Serve the bytes by a bare Flask route under the api's own gunicorn settings."""
    path = stack.directory / "body"
    path.write_bytes(body)
    os.environ["BARE_BODY"] = str(path)
    [port] = free_ports(1)
    settings = ["-c", "gunicorn.conf.py", "--bind", f"127.0.0.1:{port}"]
    program = stack._start("bare", [PYTHON, "-m", "gunicorn", *settings, "bench.bare_flask:app"])
    program.wait_until(lambda: http_status(port, "/module/online") == 200)
    return Side(name=BARE, port=port, program=program)


def rows(online: int, size: int, rounds: Rounds) -> list[list[str]]:
    """Return the table's lines about one fleet."""
    return [
        [
            f"{online:,} online ({size / 1024:,.0f} KiB), {side}",
            *(rounds.spread(f"{side}: {what}").shown for what in ("rate", "ms", "CPU")),
        ]
        for side in (PLATFORM, BARE)
    ]


def main() -> None:
    """Measure, and say what it came to."""
    wanted = begin(ABOUT)
    small, small_size = compare(300, CONNECTIONS)
    large, large_size = compare(10_000, 1)
    results = {
        "share": small.ratio(f"{PLATFORM}: rate", f"{BARE}: rate"),
        "rate": small.spread(f"{PLATFORM}: rate"),
        "times": large.ratio(f"{PLATFORM}: ms", f"{BARE}: ms"),
    }
    table = [["", "answers/s", "median ms", "CPU us/answer"]]
    table += rows(300, small_size, small) + rows(10_000, large_size, large)
    report = Report(
        bench="listing",
        about=ABOUT,
        table=table,
        outcomes=judge(GOALS, results),
        notes=[*small.notes, *large.notes],
    )
    emit(report, as_json=wanted.as_json)


if __name__ == "__main__":
    main()
