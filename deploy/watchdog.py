"""Have hung processes killed: an event listener of supervisord, which then starts them again.

superlance's httpok is not enough: it restarts after one miss, probes one address, waits out the
polite stop of a process that cannot hear it, and judges a process that is only starting.
"""

import http
import http.client
import logging
import os
import signal
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supervisor import childutils  # type: ignore[import-untyped]

from deploy.database_probe import DatabaseProbe
from deploy.log_files import shorten_logs
from deploy.process_environment import loopback_of, probe_host
from shared.settings import Settings

log = logging.getLogger("watchdog")

MISSES = 3
PROBE_SECONDS = 4.0
# A process that never answered may still be starting; all bind within a second or two, with or
# without a database.
START_SECONDS = 20
# The embedded database server grows; starting it again costs less than a second.
EMBEDDED_DATABASE_BYTES = 1_500_000_000


@dataclass(kw_only=True)
class ProbeRecord:
    """What the probes of one process said: the next one under its name starts from nothing."""

    pid: int
    answered: bool = False
    misses: int = 0


@dataclass
class Watchdog:
    """Count each process's misses in a row."""

    records: dict[str, ProbeRecord] = field(default_factory=dict)

    def is_hung(self, name: str, *, pid: int, age_seconds: float, answers: bool) -> bool:
        """Take note of one probe and tell whether the process must go."""
        record = self.records.get(name)
        if record is None or record.pid != pid:
            record = self.records[name] = ProbeRecord(pid=pid)
        if answers:
            record.answered, record.misses = True, 0
        elif record.answered or age_seconds >= START_SECONDS:
            record.misses += 1
        if record.misses < MISSES:
            return False
        del self.records[name]  # it is as good as dead; supervisord may list it a moment longer
        return True


def answers(host: str, port: int, host_header: str) -> bool:
    """Tell whether /healthz answers, and not with an error of its own (a worker whose loops hang)."""
    connection = http.client.HTTPConnection(host, port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/healthz", headers={"Host": host_header})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return answer.status < http.HTTPStatus.INTERNAL_SERVER_ERROR


def make_round(
    watchdog: Watchdog, settings: Settings, running: Iterable[dict[str, Any]]
) -> list[int]:
    """Probe all at once, so that one that hangs costs the others no time; return the pids to kill."""
    host = loopback_of(settings.wsd_host)
    ports = {f"wsd_{index}": settings.wsd_port + index for index in range(settings.wsd_processes)}
    addresses = {name: (host, port) for name, port in ports.items()}
    addresses["api"] = ("127.0.0.1", settings.api_port)
    for index in range(settings.worker_processes):
        addresses[f"worker_{index}"] = ("127.0.0.1", settings.worker_port + index)
    asked = [info for info in running if info["name"] in addresses]
    with ThreadPoolExecutor(max_workers=max(1, len(asked))) as pool:
        given = pool.map(lambda i: answers(*addresses[i["name"]], probe_host(settings)), asked)
    return [
        info["pid"]
        for info, answer in zip(asked, given, strict=True)
        if watchdog.is_hung(
            info["name"],
            pid=info["pid"],
            age_seconds=info["now"] - info["start"],
            answers=answer,
        )
    ]


def resident_bytes(pid: int) -> int:
    """Return the process's resident memory; 0 when it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def tick(
    watchdog: Watchdog, settings: Settings, supervisor: Any, probe: DatabaseProbe | None
) -> None:
    """Look at every running process once; without a probe, the database is not ours."""
    infos = [i for i in supervisor.getAllProcessInfo() if i["statename"] == "RUNNING"]
    for pid in make_round(watchdog, settings, infos):
        log.warning("process %s does not answer: killing it and its children", pid)
        _end(pid, signal.SIGKILL)
    for info in infos:
        if info["name"] == "database" and probe is not None:
            _look_after_database(info["pid"], settings, probe)


def _look_after_database(pid: int, settings: Settings, probe: DatabaseProbe) -> None:
    if probe.must_restart(pid):
        # What was acknowledged is on the disk; a server whose engine has given up may never end.
        log.warning("the database refuses writes, and its disk has space: starting it again")
        _end(pid, signal.SIGKILL)
    elif settings.database_server == "embedded" and resident_bytes(pid) > EMBEDDED_DATABASE_BYTES:
        log.warning("the embedded database has grown too large: starting it again")
        _end(pid, signal.SIGTERM)


def _end(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)  # supervisord makes each of its processes the leader of a group
    except ProcessLookupError:
        log.info("process %s was gone already", pid)


def main(supervisor_url: str) -> None:
    """Answer supervisord's ticks until it is gone."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    settings = Settings.from_env()
    supervisor = childutils.getRPCInterface({"SUPERVISOR_SERVER_URL": supervisor_url}).supervisor
    watchdog = Watchdog()
    probe = None if settings.database_server == "external" else DatabaseProbe(settings)
    while True:
        try:
            childutils.listener.wait(sys.stdin, sys.stdout)
        except KeyError:  # the end of the input: no header line
            return
        tick(watchdog, settings, supervisor, probe)
        shorten_logs(settings.var_dir / "logs")
        childutils.listener.ok(sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
