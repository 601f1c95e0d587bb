"""Run one worker process: python -m worker --index N."""

import argparse
import logging
import os
import signal
import sys
import threading

from shared.domain.event import Subject, worker_subject
from shared.errors import SettingsError
from shared.logs import configure_logging
from shared.services.step_sending import make_router
from shared.services.worker_presence import NOTE_SECONDS
from shared.settings import Settings
from shared.store import Store, connect
from worker.execution_monitor import LOOK_SECONDS as MONITOR_SECONDS
from worker.execution_monitor import ExecutionMonitor
from worker.health import HealthPage
from worker.housekeeping import Housekeeping, retention_of
from worker.message_monitor import (
    OVERDUE_SECONDS,
    PUSHED_SECONDS,
    QUEUED_SECONDS,
    MessageMonitor,
)
from worker.runner import Loop, stop_loops
from worker.scheduler import LOOK_SECONDS as SCHEDULER_SECONDS
from worker.scheduler import Scheduler
from worker.signs_of_life import SignsOfLife
from worker.trusted_clock import TrustedClock

CLOCK_SECONDS = 10.0
SWEEP_SECONDS = 10.0
MESSAGES_SECONDS = 30.0
ENDS_SECONDS = 10.0
REGISTRATIONS_SECONDS = 60.0
PURGE_SECONDS = 60.0
TALLIES_SECONDS = 60.0
HEARTBEATS_SECONDS = 600.0
STOP_SECONDS = 4.0

log = logging.getLogger("worker")


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(prog="worker", description="The forecast platform's worker")
    parser.add_argument("--index", type=int, default=0, help="adds to WORKER_PORT (default 0)")
    index = parser.parse_args().index
    try:
        settings = Settings.from_env()
        store = connect(settings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    configure_logging(settings, f"worker-{index}")
    port = settings.worker_port + index
    loops = make_loops(settings, store, worker_subject(settings.node_name, port))
    try:
        page = HealthPage(port, loops)
    except OSError as error:
        log.error("cannot listen: %s (the setting WORKER_PORT moves it)", error)
        return 1
    _run(page, loops)
    return 0


def make_loops(settings: Settings, store: Store, worker: Subject) -> list[Loop]:
    """Return what a worker does, not started yet."""
    clock = TrustedClock(store, worker)
    signs = SignsOfLife(store, clock, worker)
    router = make_router()
    monitor = ExecutionMonitor(store, clock, signs, router, lambda: scheduler.is_firing)
    scheduler = Scheduler(store, clock, signs, router, monitor.expect)
    messages = MessageMonitor(store, clock)
    keeping = Housekeeping(store, clock, retention_of(settings))
    return [
        Loop("signs of life", NOTE_SECONDS, signs.note),
        Loop("scheduler", SCHEDULER_SECONDS, scheduler.tick),
        Loop("execution monitor", MONITOR_SECONDS, monitor.tick),
        Loop("overdue messages", OVERDUE_SECONDS, messages.end_overdue),
        Loop("pushed messages", PUSHED_SECONDS, messages.check_pushed),
        Loop("queued messages", QUEUED_SECONDS, messages.check_queued),
        Loop("clock", CLOCK_SECONDS, keeping.check_clock),
        Loop("orphan sweep", SWEEP_SECONDS, keeping.sweep_orphans),
        Loop("orphaned messages", MESSAGES_SECONDS, keeping.release_orphans),
        Loop("ends of executions", ENDS_SECONDS, keeping.note_left_ends),
        Loop("registrations", REGISTRATIONS_SECONDS, keeping.finish_registrations),
        Loop("purge", PURGE_SECONDS, keeping.purge),
        Loop("work purge", PURGE_SECONDS, keeping.purge_work),
        Loop("hourly tallies", TALLIES_SECONDS, keeping.count_an_hour),
        Loop("heartbeat purge", HEARTBEATS_SECONDS, keeping.remove_orphaned_heartbeats),
    ]


def _run(page: HealthPage, loops: list[Loop]) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    for loop in loops:
        loop.start()
    page.serve_in_background()
    log.info("working", extra={"loops": [loop.name for loop in loops], "port": page.server_port})
    stop.wait()
    log.info("stopping")
    late = stop_loops(loops, STOP_SECONDS)
    if late:
        log.warning("stopped in the middle of a tick", extra={"loops": late})


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # A thread that waits for a stalled database would hold up the exit for its whole time-out.
    os._exit(code)
