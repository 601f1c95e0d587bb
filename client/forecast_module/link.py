"""Keeps the module registered and connected, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any, Callable

from forecast_module.address import Address
from forecast_module.backoff import Backoff
from forecast_module.connection import Connection
from forecast_module.ending import Advice, Ending
from forecast_module.registration import (
    NotRegistered,
    Registration,
    RegistrationRefused,
    register,
)
from forecast_module.result_sender import PoisonedResults, ResultSender
from forecast_module.results_store import ResultsStore
from forecast_module.timing import Timing
from forecast_module.work_loop import WorkLoop

WARN_AFTER = 3  # failures in a row: a restart of the platform costs one or two
STEADY_HEARTBEATS = 1  # a connection that lasted for so many intervals ends a row of failures

log = logging.getLogger("forecast_module")


class Desk:
    """What a registered module works with: its jobs and its results."""

    def __init__(self, work: WorkLoop, results: ResultsStore) -> None:
        self.work = work
        self.results = results


class Link:
    """The thread with the socket; handlers never run in it, so they never hold it up."""

    def __init__(
        self,
        address: Address,
        registration: Registration,
        open_desk: Callable[[str], Desk],
        *,
        in_flight: int,
        timing: Timing,
    ) -> None:
        self._address = address
        self._registration = registration
        self._open_desk = open_desk
        self._in_flight = in_flight
        self._timing = timing
        self._desk: Desk | None = None
        self._poisoned: PoisonedResults | None = None
        self._was_connected = False
        self._connection: Connection | None = None
        self._backoff = Backoff(timing.longest_pause)
        self._loop = asyncio.new_event_loop()
        self._leaving = threading.Event()
        self._left: asyncio.Event | None = None
        self._tasks: set[asyncio.Future[Any]] = set()
        self._thread = threading.Thread(target=self._run, name="forecast_module-link", daemon=True)
        self.module_hash: str | None = None
        self.is_refused = False  # the platform does not take what the module says of itself

    @property
    def is_connected(self) -> bool:
        """Return whether frames can be sent."""
        return self._connection is not None and self._connection.is_open

    @property
    def is_running(self) -> bool:
        """Return whether it tries to be connected."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def send_soon(self, text: str) -> None:
        """Send a frame from any thread, or lose it while there is no connection."""
        self._call(self._send, text)

    def results_changed(self) -> None:
        """Have the pending results sent; from any thread."""
        self._call(self._wake_results)

    def leave(self, reason: str, back_within: float | None, seconds: float) -> None:
        """Say goodbye and end the thread, within so many seconds."""
        self._leaving.set()
        self._call(self._start_leaving, reason, back_within)
        self._thread.join(seconds)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            pass  # the loop has ended

    def _send(self, text: str) -> None:
        if self._connection is not None:
            self._keep(asyncio.ensure_future(self._connection.send(text)))

    def _wake_results(self) -> None:
        if self._connection is not None:
            self._connection.results.wake()

    def _start_leaving(self, reason: str, back_within: float | None) -> None:
        self._keep(asyncio.ensure_future(self._leave(reason, back_within)))

    async def _leave(self, reason: str, back_within: float | None) -> None:
        if self._connection is not None:
            await self._connection.leave(reason, back_within)
        if self._left is not None:
            self._left.set()

    def _keep(self, task: asyncio.Future[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._stay_connected())
        except RegistrationRefused as refusal:
            log.error("The platform does not register the module: %s", refusal)
            self.is_refused = True
        finally:
            self._loop.run_until_complete(self._end_tasks())
            self._loop.close()

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _stay_connected(self) -> None:
        self._left = asyncio.Event()
        staying = asyncio.ensure_future(self._connect_again_and_again())
        leaving = asyncio.ensure_future(self._left.wait())
        await asyncio.wait([staying, leaving], return_when=asyncio.FIRST_COMPLETED)
        if staying.done():
            staying.result()

    async def _connect_again_and_again(self) -> None:
        while not self._leaving.is_set():
            try:
                ending = await self._try_once()
            except RegistrationRefused:
                raise
            except Exception as error:
                log.exception("The link to the platform failed and is made anew")
                ending = Ending(0, f"{type(error).__name__}: {error}")
            if ending is not None and not self._leaving.is_set():
                await asyncio.sleep(self._judge(ending))

    async def _try_once(self) -> Ending | None:
        """Register, or else connect and stay; return what ended it, None once registered."""
        if self.module_hash is None:
            return await self._register()
        desk, poisoned = self._desk, self._poisoned
        assert desk is not None
        assert poisoned is not None
        url = self._address.socket(self.module_hash)
        results = ResultSender(
            desk.results, window=poisoned.window, stored_seconds=self._timing.stored
        )
        connection = Connection(
            url,
            self._registration.name,
            desk.work,
            results,
            self._timing,
            use_proxy=not self._address.is_loopback,
        )
        self._connection = connection
        ending = await connection.live(self._in_flight)
        self._connection = None
        self._was_connected = self._was_connected or ending.lasted > 0
        await self._loop.run_in_executor(None, poisoned.judge, results.under_way, ending)
        return ending

    async def _register(self) -> Ending | None:
        try:
            module_hash = await self._in_thread(
                register, self._address, self._registration, self._timing.open
            )
        except NotRegistered as error:
            return Ending(error.status, str(error), retry_after=error.retry_after)
        log.info("Registered as %s", module_hash)
        if self._desk is None:
            self._desk = await self._in_thread(self._open_desk, module_hash)
            self._poisoned = PoisonedResults(self._desk.results)
        self.module_hash = module_hash
        return None

    def _judge(self, ending: Ending) -> float:
        """Note what an ending calls for; return the seconds until the next attempt."""
        if ending.lasted > STEADY_HEARTBEATS * self._timing.heartbeat:
            self._backoff.reset()
        at_least = ending.retry_after
        if ending.advice is Advice.REGISTER:
            self.module_hash = None
        elif ending.advice is Advice.RECONNECT_LATER:
            at_least = max(at_least, self._timing.replaced_pause)
        elif ending.advice is Advice.STAY_AWAY:
            at_least = max(at_least, self._timing.disabled_pause)
        pause = self._backoff.next_pause(at_least)
        has_failed_long = not self._was_connected or self._backoff.failures >= WARN_AFTER
        is_worth_a_look = ending.is_unforeseen or has_failed_long
        level = logging.WARNING if is_worth_a_look else logging.INFO
        what = "Not connected" if not ending.lasted else "The connection ended"
        log.log(
            level,
            "%s (%s: %s): %s; next attempt in %.1f s",
            *(what, ending.code or "no answer", ending.reason, ending.advice.value, pause),
        )
        return pause

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call what blocks in a thread that never holds up the program's end."""
        future: asyncio.Future[Any] = self._loop.create_future()

        def settle(value: Any, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)

        def call() -> None:
            try:
                value, error = function(*arguments), None
            except Exception as raised:  # noqa: BLE001 - raised again where it is awaited
                value, error = None, raised
            self._call(settle, value, error)

        threading.Thread(target=call, name="forecast_module-call", daemon=True).start()
        return await future
