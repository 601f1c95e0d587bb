"""A module: what an author writes, from its registration to its end."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Any, Callable, TypeVar

from forecast_module.address import Address
from forecast_module.handlers import Handler, Handlers, NoHandler
from forecast_module.json_values import to_json
from forecast_module.link import Desk, Link
from forecast_module.plain_logging import log_plainly
from forecast_module.registration import Registration
from forecast_module.results_store import ResultsStore
from forecast_module.state_dir import DirectoryLock, find_state_dir
from forecast_module.stop_signals import StopSignals
from forecast_module.timing import Timing
from forecast_module.work_loop import WorkLoop

FRAME_BYTES = 1024 * 1024
MOST_IN_FLIGHT = 1000
LOOK_SECONDS = 0.02

F = TypeVar("F", bound=Handler)

log = logging.getLogger("forecast_module")


class Module:
    """A program that does work for the platform; `run` is its main loop."""

    def __init__(
        self,
        url: str | None = None,
        *,
        name: str,
        description: str = "",
        mission_kind: str | None = None,
        model_hash: str | None = None,
        data_requirement: Any = None,
        input_data: Any = None,
        output_data: Any = None,
        priority: int | None = None,
        tags: list[str] | None = None,
        in_flight: int = 1,
        state_dir: str | None = None,
        back_within_seconds: float | None = None,
        max_frame_bytes: int = FRAME_BYTES,
        timing: Timing | None = None,
    ) -> None:
        given = url or os.environ.get("FORECAST_PLATFORM") or "http://localhost:10080"
        self._address = Address.parse(given)
        self._registration = Registration(
            name=name,
            description=description,
            mission_kind=mission_kind,
            model_hash=model_hash,
            data_requirement=to_json(data_requirement, "data_requirement"),
            input_data=to_json(input_data, "input_data"),
            output_data=to_json(output_data, "output_data"),
            priority=priority,
            tags=tags,
        )
        if not 1 <= in_flight <= MOST_IN_FLIGHT:
            raise ValueError(f"in_flight is a number from 1 to {MOST_IN_FLIGHT}, not {in_flight}.")
        self._in_flight = in_flight
        self._state_dir = state_dir or os.environ.get("FORECAST_STATE_DIR")
        self._back_within = back_within_seconds
        self._max_frame_bytes = max_frame_bytes
        self._timing = timing or Timing()
        self.handlers = Handlers()
        self._desk: Desk | None = None
        self._lock: DirectoryLock | None = None
        self._link: Link | None = None

    def on_execute(self, function: F) -> F:
        """Have this function do the work; it is given a Job, and may be `async def`."""
        self.handlers.on_execute = function
        return function

    def on_message(self, function: F) -> F:
        """Have this function take what operators and programs send; else `on_execute` gets it."""
        self.handlers.on_message = function
        return function

    @property
    def module_hash(self) -> str | None:
        """Return what the platform calls the module, once it is registered."""
        return self._link.module_hash if self._link else None

    @property
    def is_connected(self) -> bool:
        """Return whether the socket stands."""
        return self._link is not None and self._link.is_connected

    def run(self) -> None:
        """Work until SIGTERM or SIGINT: then end the running job, say goodbye, and return.

        A second signal ends the program at once. When the platform does not take what the
        module says about itself, the program ends with its sentence and exit code 1.
        """
        log_plainly()
        with StopSignals() as signals:
            self.start()
            assert self._link is not None
            while self._link.is_running and not signals.wait(0.2):
                pass
            is_refused = self._link.is_refused
            self._stop(signals.first or "stopped", lambda: signals.count > 1)
        if is_refused:
            raise SystemExit(1)

    def start(self) -> None:
        """Begin in the background, and return at once."""
        if self._link is not None:
            raise RuntimeError("The module has been started already.")
        if self.handlers.on_execute is None and self.handlers.on_message is None:
            raise NoHandler("Give the module a function: @module.on_execute.")
        self._link = Link(
            self._address,
            self._registration,
            self._open_desk,
            in_flight=self._in_flight,
            timing=self._timing,
        )
        self._link.start()

    def stop(self) -> None:
        """End the running jobs, send their results, say goodbye."""
        self._stop("stopped", lambda: False)

    def _stop(self, reason: str, is_enough: Callable[[], bool]) -> None:
        link, self._link = self._link, None
        if link is None:
            return
        log.info("Stopping (%s)", reason)
        if self._desk is not None:
            self._desk.work.stop_taking()
            for job_id in self._desk.work.ids():
                log.info("Finishing job %s; a second signal (Ctrl-C) ends at once", job_id)
            self._desk.work.wait_until_idle(is_enough)
            self._wait_for_receipts(self._desk.results, link, is_enough)
        link.leave(reason, self._back_within, 1.0 if is_enough() else self._timing.leave)
        if self._desk is not None:
            self._desk.work.close()
            self._desk = None
        if self._lock is not None:
            self._lock.release()
        self.handlers.close()
        log.info("Stopped")

    def _wait_for_receipts(
        self, results: ResultsStore, link: Link, is_enough: Callable[[], bool]
    ) -> None:
        """Give the last results their time; what the platform has not got is on disk."""
        deadline = time.monotonic() + self._timing.leave
        while results.next_pending() and link.is_running and not is_enough():
            if time.monotonic() > deadline:
                log.warning("Results that were not stored are sent by the next run")
                return
            threading.Event().wait(LOOK_SECONDS)

    def _open_desk(self, module_hash: str) -> Desk:
        """Open the module's results, and take up what an earlier run left."""
        link = self._link
        assert link is not None
        directory = find_state_dir(self._state_dir, self._address, module_hash)
        results = ResultsStore(directory, max_frame_bytes=self._max_frame_bytes)
        work = WorkLoop(
            self.handlers, results, link, in_flight=self._in_flight, timing=self._timing
        )
        self._desk = Desk(work, results)
        work.start()
        self._resume(directory, work)
        return self._desk

    def _resume(self, directory: Path, work: WorkLoop) -> None:
        self._lock = DirectoryLock(directory)
        if self._lock.acquire():
            work.resume()
        else:
            log.warning(
                "Another program on this machine runs as this module (%s): stop one of the two",
                self._lock.read_holder(),
            )
