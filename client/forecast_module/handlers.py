"""The author's functions, and running one of them: sync or asyncio, to an outcome."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import logging
import threading
import time
from collections.abc import Coroutine
from typing import Any, Callable

from forecast_module.job import Cancelled, Job, RetryLater
from forecast_module.json_values import to_json
from forecast_module.outcome import CANCELLED, SUCCESS, Outcome, fail_by, shorten_traceback

Handler = Callable[[Job], Any]
LOOK_SECONDS = 0.1

log = logging.getLogger("forecast_module")


class NoHandler(Exception):
    """The module has no function for this kind of work."""


class HandlerLoop:
    """One event loop for all asyncio handlers, in a thread of its own, started when needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any], job: Job) -> Any:
        """Return what the coroutine returns; cancel it when its job is cancelled."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._start())
        while True:
            done, _ = concurrent.futures.wait([future], LOOK_SECONDS)
            if done:
                break
            if job.cancelled.peek():
                future.cancel()
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise Cancelled from None

    def _start(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(target=_run_until_stopped, args=[self._loop], daemon=True)
                thread.start()
            return self._loop

    def close(self) -> None:
        """End the thread."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)


class Handlers:
    """What a module does with executions, and with other messages."""

    def __init__(self) -> None:
        self.on_execute: Handler | None = None
        self.on_message: Handler | None = None
        self._loop = HandlerLoop()

    def find(self, job: Job) -> Handler:
        """Return the function for a job; raises NoHandler."""
        if job.is_execution:
            handler = self.on_execute
        else:
            handler = self.on_message or self.on_execute
        if handler is None:
            raise NoHandler("The module has no function for this: it lacks @module.on_execute.")
        return handler

    def call(self, job: Job) -> Any:
        """Return what the author's function returns, in JSON's own types."""
        value = self.find(job)(job)
        if inspect.isawaitable(value):
            value = self._loop.run(_await(value), job)
        return to_json(value)

    def run(self, job: Job) -> Outcome:
        """Run a job to its end, whatever the author's function does."""
        started_at = job.started_at or time.time()
        try:
            result = self.call(job)
        except Cancelled:
            return Outcome(CANCELLED, started_at=started_at)
        except BaseException as error:  # noqa: BLE001 - logged, and told to the platform
            if job.cancelled.was_seen:
                return Outcome(CANCELLED, started_at=started_at)
            _log_failure(job, error)
            return fail_by(error, started_at)
        if job.cancelled.was_seen:
            return Outcome(CANCELLED, started_at=started_at)
        return Outcome(SUCCESS, result=result, started_at=started_at)

    def close(self) -> None:
        """End the thread of asyncio handlers."""
        self._loop.close()


def _log_failure(job: Job, error: BaseException) -> None:
    if not isinstance(error, RetryLater):
        log.warning("Job %s failed:\n%s", job.id, shorten_traceback(error).rstrip())
    elif job.is_execution:
        again = f"asks for another try in {error.after_seconds:g} s"
        log.info("Job %s cannot succeed now and %s: %.500s", job.id, again, error)
    else:
        log.warning("Job %s failed (only workflows retry): %.500s", job.id, error)


def _run_until_stopped(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


async def _await(value: Any) -> Any:
    return await value
