"""Takes work, runs each message once, and keeps its result: in threads of its own."""

from __future__ import annotations

import logging
import queue
import threading
import time
from datetime import datetime
from typing import Callable, Protocol

from forecast_module import protocol
from forecast_module.handlers import Handlers
from forecast_module.job import Job
from forecast_module.outcome import CANCELLED, Outcome, fail
from forecast_module.protocol import Work
from forecast_module.records import WORKING
from forecast_module.results_store import ResultsStore
from forecast_module.timing import Timing
from forecast_module.version import __version__

MOST_STARTS = 2

log = logging.getLogger("forecast_module")


class Outgoing(Protocol):
    """The way to the platform, from any thread."""

    def send_soon(self, text: str) -> None:
        """Send a frame that may be lost."""

    def results_changed(self) -> None:
        """Have the results that are pending sent."""


class WorkLoop:
    """The jobs in hand; `take` and `cancel` are called by the connection."""

    def __init__(
        self,
        handlers: Handlers,
        results: ResultsStore,
        outgoing: Outgoing,
        *,
        in_flight: int,
        timing: Timing,
    ) -> None:
        self._handlers = handlers
        self._results = results
        self._outgoing = outgoing
        self._timing = timing
        self._changed = threading.Condition()
        self._jobs: dict[str, Job] = {}  # received and not ended
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._is_stopping = False
        self._told_at: dict[str, float] = {}  # for how long a busy job had run
        self._threads = [
            threading.Thread(target=self._work, name=f"forecast_module-work-{n}", daemon=True)
            for n in range(in_flight)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def resume(self) -> None:
        """Take up what an earlier run of the program did not end."""
        for record in self._results.unfinished():
            away = time.time() - record.at
            if record.starts >= MOST_STARTS:
                problem = f"The program ended {record.starts} times while it ran this job."
            elif away > self._timing.stale:
                problem = f"The program ended while it ran this job, {away:.0f} s ago."
            else:
                log.warning("Job %s was interrupted and runs again", record.id)
                work = Work(record.id, record.attempt, record.message)
                with self._changed:
                    self._enqueue(work, record.starts + 1)
                continue
            self._give_up(record.id, problem)

    def take(self, work: Work) -> bool:
        """Take a message, once; return whether to acknowledge it."""
        with self._changed:
            if work.id in self._jobs:
                return True
            record = self._results.find(work.id)
            if record is not None and record.state != WORKING:
                log.info("Message %s was answered before: its result is sent again", work.id)
                self._results.send_again(work.id)
                self._outgoing.results_changed()
                return True
            if self._is_stopping:
                return False  # the platform queues it again when the connection ends
            if work.problem is not None:
                self._give_up(work.id, work.problem)
            else:
                self._enqueue(work, 1)
        return True

    def cancel(self, message_id: str) -> None:
        """Take work back: what has not started is over at once, a running job is told."""
        with self._changed:
            job = self._jobs.get(message_id)
            if job is None:
                return
            log.info("Job %s is cancelled", message_id)
            job.cancelled.set()
            if job.started_at is not None:
                return
        self._end(job, Outcome(CANCELLED))

    def log_busy(self) -> None:
        """Say since when a job has been running, at ever longer intervals."""
        now = time.time()
        for job in self._jobs.copy().values():  # no lock: `take` holds it while the disk writes
            if job.started_at is None:
                continue
            busy = now - job.started_at
            if busy >= max(self._timing.busy, 2 * self._told_at.get(job.id, 0.0)):
                self._told_at[job.id] = busy
                since = datetime.fromtimestamp(job.started_at).astimezone()
                log.warning("Job %s has been running since %s (%.0f s)", job.id, since, busy)

    def stop_taking(self) -> None:
        """Leave new messages to the next run of the program."""
        with self._changed:
            self._is_stopping = True
            self._ask_for_no_more()

    def ids(self) -> list[str]:
        """Return the jobs in hand."""
        with self._changed:
            return list(self._jobs)

    def wait_until_idle(self, is_enough: Callable[[], bool]) -> None:
        """Wait for the jobs in hand, or until it `is_enough`."""
        with self._changed:
            while self._jobs and not is_enough():
                self._changed.wait(0.2)

    def close(self) -> None:
        """End the threads that have nothing to do."""
        for _ in self._threads:
            self._queue.put(None)

    def _enqueue(self, work: Work, starts: int) -> None:
        """Queue work; what cannot be taken is answered with a failure, and holds up no other."""
        try:
            self._results.begin(work, starts)
            job = Job(work, self._report)
        except Exception as error:  # nested too deep, for example
            log.exception("The message %s cannot be taken", work.id)
            self._give_up(work.id, f"The message cannot be taken: {type(error).__name__}: {error}")
            return
        self._jobs[work.id] = job
        self._queue.put(job)

    def _give_up(self, message_id: str, problem: str) -> None:
        """Answer work that cannot be done with a failure."""
        log.error("Job %s is given up: %s", message_id, problem)
        self._results.finish(message_id, fail(problem))
        self._outgoing.results_changed()

    def _work(self) -> None:
        while True:
            job = self._queue.get()
            if job is None:
                return
            with self._changed:
                if self._jobs.get(job.id) is not job:
                    continue  # cancelled before it started
                job.started_at = time.time()
            log.info("Job %s starts", job.id)
            self._end(job, self._handlers.run(job))

    def _end(self, job: Job, outcome: Outcome) -> None:
        try:
            self._results.finish(job.id, outcome)
        except Exception as error:
            log.exception("The result of %s cannot be sent", job.id)
            self._results.finish(job.id, fail(f"The result cannot be sent: {error}"))
        with self._changed:
            self._jobs.pop(job.id, None)
            self._told_at.pop(job.id, None)
            if self._is_stopping:
                self._ask_for_no_more()
            self._changed.notify_all()
        log.info("Job %s ended: %s", job.id, outcome.status)
        self._outgoing.results_changed()

    def _ask_for_no_more(self) -> None:
        """Say that there is room for the jobs in hand only: more would wait in vain."""
        if self._jobs:
            self._outgoing.send_soon(protocol.hello(__version__, len(self._jobs)))

    def _report(self, job: Job, percent: float, note: str) -> None:
        now = time.monotonic()
        if percent < 100 and now - job.reported_at < self._timing.progress:
            return
        job.reported_at = now
        self._outgoing.send_soon(protocol.progress(job.id, percent, note))
