"""platformctl doctor: what it finds, what it advises, and its exit code."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from cli.checks.check import Check, Status
from cli.checks.database import _check_clock, _check_server, check_database
from cli.checks.services import (
    check_disk_space,
    check_nginx_binary,
    check_open_files,
    check_services,
)
from cli.context import Platform
from cli.main import cli
from shared.clock import utc_now
from shared.domain.event import clock_changed, worker_subject
from shared.domain.node import node_address
from shared.settings import Settings
from shared.store import Store
from shared.store.server import ServerFacts
from tests.support.builders import NODE, NOON, make_node, make_workflow
from tests.support.ports import free_port
from tests.support.registry import Registry


class Server(ThreadingHTTPServer):
    """Something that answers every question with one status, as late as it is told to."""

    def __init__(self, status: int = 200, delay_seconds: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = status
        self.delay_seconds = delay_seconds
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        time.sleep(self.server.delay_seconds)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Start a server and return its port."""
    servers: list[Server] = []

    def start(**options: Any) -> int:
        servers.append(Server(**options))
        return servers[-1].server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_a_healthy_database_is_ok_in_every_line(
    settings: Settings, store: Store, registry: Registry
) -> None:
    store.indexes.begin("builder", store.indexes.read_marker())
    store.indexes.finish("builder")
    registry.enrol()
    checks = by_name(check_database(Platform(settings, store)))
    assert [check.status for check in checks.values()] == [Status.OK] * 7
    assert checks.keys() == {
        "database",
        "checkout",
        "clock",
        "trusted clock",
        "indexes",
        "schedules",
        f"node {NODE}",
    }


def test_a_missing_index_is_named_with_what_to_do(
    settings: Settings, store: Store, plain_client
) -> None:
    plain_client[settings.mongodb_name]["node_commands"].drop_indexes()
    check = by_name(check_database(Platform(settings, store)))["indexes"]
    assert check.status is Status.FAIL
    assert check.found == "missing: node_commands.node_1"
    assert "init-db" in check.advice


def test_indexes_whose_making_was_cut_off_are_not_trusted(settings: Settings, store: Store) -> None:
    store.indexes.begin("builder", store.indexes.read_marker())
    check = by_name(check_database(Platform(settings, store)))["indexes"]
    assert (check.status, check.found) == (Status.FAIL, "their making was cut off")


def test_nodes_are_shown_with_their_leases(
    settings: Settings, store: Store, registry: Registry
) -> None:
    registry.enrol("a:1:1")
    registry.enrol("b:1:1", lease_seconds=-60)
    dead = registry.enrol("c:1:1")
    store.nodes.declare_dead(dead.id, dead.renewals, registry.now)
    checks = by_name(check_database(Platform(settings, store)))
    assert checks["node a:1:1"].status is Status.OK
    assert checks["node b:1:1"].found == "lease ran out 1m ago"
    assert checks["node c:1:1"].found == "declared dead"


def test_machines_of_one_name_are_reported_while_both_live(
    settings: Settings, store: Store, registry: Registry
) -> None:
    def enrol(host: str, machine: str, port: int, *, lease_seconds: int = 20) -> None:
        lease_until = registry.now + timedelta(seconds=lease_seconds)
        address = node_address(host, machine, port)
        node_id = f"{host}:{port}:{machine}"
        store.nodes.enrol(make_node(id=node_id, address=address, lease_until=lease_until))

    enrol("one", "m1", 10090)
    enrol("one", "m1", 10091)
    enrol("moved", "m1", 10090, lease_seconds=-60)
    enrol("moved", "m2", 10090)
    enrol("two", "m1", 10090)
    enrol("two", "m2", 10090)
    checks = by_name(check_database(Platform(settings, store)))
    assert checks["node two"].status is Status.WARN
    assert checks["node two"].found == "2 machines have this name: two@m1, two@m2"
    assert "NODE_NAME" in checks["node two"].advice
    assert not {"node one", "node moved"} & checks.keys()


def test_no_node_at_all_is_a_failure(settings: Settings, store: Store) -> None:
    check = by_name(check_database(Platform(settings, store)))["node"]
    assert (check.status, check.found) == (Status.FAIL, "no node has a lease")


@pytest.mark.parametrize(
    ("seconds", "status"),
    [(0, Status.OK), (-0.9, Status.OK), (1.5, Status.WARN), (-5, Status.FAIL), (5, Status.FAIL)],
)
def test_clocks_that_differ_are_judged_by_what_leases_tolerate(
    seconds: float, status: Status
) -> None:
    before, after = NOON - timedelta(milliseconds=50), NOON + timedelta(milliseconds=50)
    assert _check_clock(NOON + timedelta(seconds=seconds), before, after).status is status


def test_a_database_that_is_down_is_one_failed_line(settings: Settings) -> None:
    down = replace(settings, mongodb_host=f"mongodb://root:secret@127.0.0.1:{free_port()}/")
    started = time.monotonic()
    (check,) = check_database(Platform(down))
    assert check.status is Status.FAIL
    assert "does not answer" in check.found
    assert "secret" not in check.found
    assert time.monotonic() - started < 3


def test_every_process_is_asked(settings: Settings, serve: Callable[..., int]) -> None:
    port = serve()
    unused = free_port()
    ours = replace(
        settings,
        api_port=port,
        worker_port=port,
        server_port=serve(status=503),
        wsd_port=unused,
        wsd_processes=1,
    )
    checks = by_name(check_services(ours))
    assert {name: check.status for name, check in checks.items()} == {
        "api": Status.OK,
        "worker_0": Status.OK,
        "wsd_0": Status.FAIL,
        "nginx": Status.FAIL,
        "ready": Status.FAIL,
    }
    assert checks["wsd_0"].found == f"no process listens at http://127.0.0.1:{unused}/healthz"
    assert "answers 503" in checks["ready"].found


def test_as_many_socket_daemons_are_asked_as_there_should_be(settings: Settings) -> None:
    names = by_name(check_services(replace(settings, wsd_processes=3))).keys()
    assert {"wsd_0", "wsd_1", "wsd_2"} <= names


def test_a_process_that_hangs_is_not_waited_for(
    settings: Settings, serve: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.checks.services.TIMEOUT_SECONDS", (0.2, 0.2))
    checks = by_name(check_services(replace(settings, api_port=serve(delay_seconds=1))))
    assert "does not answer in time" in checks["api"].found
    assert "restart api" in checks["api"].advice


def test_a_proxy_of_the_shell_is_not_used(
    settings: Settings, serve: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    checks = by_name(check_services(replace(settings, api_port=serve())))
    assert checks["api"].status is Status.OK


def test_a_missing_nginx_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert check_nginx_binary().status is Status.FAIL


def test_more_connections_than_files_is_a_warning(settings: Settings) -> None:
    assert check_open_files(replace(settings, max_connections=10)).status is Status.OK
    check = check_open_files(replace(settings, max_connections=10**9))
    assert (check.status, check.advice[:5]) == (Status.WARN, "raise")


@pytest.mark.parametrize(
    ("free", "status"), [(2**34, Status.OK), (2**29, Status.WARN), (2**20, Status.FAIL)]
)
def test_a_disk_that_fills_up_is_told_early(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, free: int, status: Status
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, free))
    check = check_disk_space(replace(settings, var_dir=settings.var_dir / "not" / "made" / "yet"))
    assert check.status is status
    assert check.found.startswith(f"{free / 2**30:.1f} GiB free")


def test_a_clock_that_jumped_is_told_until_it_is_trusted_again(
    settings: Settings, store: Store
) -> None:
    worker = worker_subject(settings.node_name, settings.worker_port)

    def check() -> Check:
        return by_name(check_database(Platform(settings, store)))["trusted clock"]

    store.events.record([clock_changed(worker, NOON, "clock_jumped", 31 * 86400)])
    assert check().status is Status.WARN
    assert "off by 31d since 2026-03-01 12:00:00 UTC (clock_jumped)" in check().found
    store.events.record([clock_changed(worker, NOON + timedelta(minutes=5), None, 0)])
    assert (check().status, check().found) == (Status.OK, "trusted since 2026-03-01 12:05:00 UTC")


def test_doctor_ends_with_0_when_nothing_fails(
    settings: Settings, store: Store, registry: Registry, serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/sbin/{name}")
    registry.enrol()
    port = serve()
    well = replace(settings, api_port=port, worker_port=port, server_port=port, wsd_port=port)
    CliRunner().invoke(cli, ["init-db"], obj=Platform(well, store))
    result = CliRunner().invoke(cli, ["doctor"], obj=Platform(well, store))
    assert result.exit_code == 0, result.output
    assert {line.split()[0] for line in result.stdout.splitlines()} == {"status", "ok"}


def test_doctor_ends_with_1_when_anything_fails(settings: Settings, store: Store) -> None:
    warned = replace(settings, warnings=("A is too short",))
    result = CliRunner().invoke(cli, ["doctor", "--json"], obj=Platform(warned, store))
    assert result.exit_code == 1
    checks = orjson.loads(result.stdout)
    assert {"name", "status", "found", "advice"} == checks[0].keys()
    assert (checks[0]["status"], checks[0]["found"]) == ("warn", "A is too short")
    assert "fail" in {check["status"] for check in checks}


def test_doctor_names_every_bad_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "high")
    monkeypatch.setenv("WSD_PROCESSES", "0")
    result = CliRunner().invoke(cli, ["doctor"], obj=Platform())
    assert result.exit_code == 1
    assert "API_PORT" in result.stdout
    assert "WSD_PROCESSES" in result.stdout


@pytest.mark.parametrize(
    ("facts", "status", "found"),
    [
        ({"replica_set": "rs0"}, Status.OK, "replica set rs0"),
        ({"is_sharded": True}, Status.OK, "sharded"),
        ({}, Status.WARN, "a lone server"),
        ({"replica_set": "rs0", "is_writable": False}, Status.FAIL, "takes no writes"),
        ({"replica_set": "rs0", "version": "5.0.31"}, Status.FAIL, "the server"),
        ({"replica_set": "rs0", "version": "0.7", "product": "SecantusDB"}, Status.OK, "rs0"),
    ],
)
def test_servers_are_judged_by_what_the_platform_needs(
    facts: dict[str, Any], status: Status, found: str
) -> None:
    values = {
        "version": "8.0.4",
        "is_writable": True,
        "is_sharded": False,
        "replica_set": None,
        "local_time": NOON,
    }
    check = _check_server(ServerFacts(**values | facts), "the server")
    assert check.status is status
    assert found in check.found


def test_schedules_that_are_behind_are_told(settings: Settings, store: Store) -> None:
    def check() -> Check:
        return by_name(check_database(Platform(settings, store)))["schedules"]

    assert check().status is Status.OK
    store.workflows.insert(make_workflow(next_due_at=utc_now() - timedelta(minutes=5)))
    assert check().status is Status.FAIL
    assert "due for 5m" in check().found
