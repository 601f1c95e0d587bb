"""Sends results on one connection, some at a time; the platform's receipts come in their order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from forecast_module.ending import INTERNAL_ERROR, TOO_BIG, Ending
from forecast_module.results_store import ResultsStore

# Results that are sent before the first of them is stored: the platform writes them together.
WINDOW = 50
WINDOW_BYTES = 1024 * 1024
MOST_INTERNAL_ERRORS = 5


class GivenUp(Exception):
    """The platform does not answer any more on this connection."""


class Ambiguous(GivenUp):
    """The platform refused one of several results without saying which."""


class ResultSender:
    """The results that are under way, on one connection; `window` 1 tells them apart."""

    def __init__(self, results: ResultsStore, *, window: int, stored_seconds: float) -> None:
        self._results = results
        self._window = window
        self._stored_seconds = stored_seconds
        self._loop = asyncio.get_running_loop()
        self._sizes: dict[str, int] = {}  # of those under way, in the order in which they went
        self._moved_at = 0.0  # when the first went, or the last receipt came
        self._answers: deque[tuple[str | None, str | None]] = deque()
        self._answered = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def under_way(self) -> list[str]:
        """Return the messages whose results have no receipt yet."""
        return list(self._sizes)

    def wake(self) -> None:
        """Look again for results that are pending."""
        self._changed.set()

    def hear_stored(self) -> None:
        """Take a receipt: it is for the result that went first."""
        self._answer(None, None)

    def hear_refusal(self, problem: str, named: str | None) -> bool:
        """Take a refusal; return False when it is about none of these results."""
        if not self._sizes or (named is not None and named not in self._sizes):
            return False
        self._answer(problem, named)
        return True

    def _answer(self, problem: str | None, named: str | None) -> None:
        self._answers.append((problem, named))
        self._answered.set()

    async def send_all(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Send what is pending, and go on with what becomes so."""
        while True:
            self._changed.clear()
            pending = None
            if self._has_room:
                # In another thread, as all that waits for the disk: heartbeats must not.
                pending = await self._loop.run_in_executor(
                    None, self._results.next_pending, self._sizes.copy()
                )
            if pending is None:
                await self._changed.wait()
                continue
            message_id, text = pending
            if not self._sizes:
                self._moved_at = self._loop.time()
            self._sizes[message_id] = len(text)
            await send(text)

    @property
    def _has_room(self) -> bool:
        is_small = sum(self._sizes.values()) < WINDOW_BYTES
        return is_small and len(self._sizes) < self._window

    async def settle_all(self) -> None:
        """Take one answer after another to the disk."""
        while True:
            problem, named = await self._next_answer()
            if not self._sizes:
                continue  # a receipt for nothing of ours
            if problem is not None and named is None and len(self._sizes) > 1:
                raise Ambiguous(f"the platform refused one of several results: {problem}")
            message_id = named or next(iter(self._sizes))
            if problem is None:
                await self._loop.run_in_executor(None, self._results.confirm, message_id)
            else:
                await self._loop.run_in_executor(None, self._results.refuse, message_id, problem)
            del self._sizes[message_id]
            self._moved_at = self._loop.time()
            self.wake()

    async def _next_answer(self) -> tuple[str | None, str | None]:
        while not self._answers:
            self._answered.clear()
            try:
                await asyncio.wait_for(self._answered.wait(), self._stored_seconds)
            except asyncio.TimeoutError:
                self._check_patience()
        return self._answers.popleft()

    def _check_patience(self) -> None:
        if self._sizes and self._loop.time() - self._moved_at >= self._stored_seconds:
            seconds = self._stored_seconds
            raise GivenUp(f"the platform did not store a result within {seconds:g} s")


class PoisonedResults:
    """Finds the results over which the platform ends connections; they become failures.

    When several were under way, the next connection sends one at a time.
    """

    def __init__(self, results: ResultsStore) -> None:
        self._results = results
        self._internal_errors: dict[str, int] = {}
        self.window = WINDOW

    def judge(self, under_way: list[str], ending: Ending) -> None:
        """Look at the results that were under way when a connection ended."""
        self.window = WINDOW
        if not under_way or not (ending.code in (TOO_BIG, INTERNAL_ERROR) or ending.is_ambiguous):
            return
        message_id = under_way[0]
        if len(under_way) > 1:
            self.window = 1
        elif ending.code == TOO_BIG:
            self._results.refuse(message_id, f"{ending.reason or 'a message was too big'} (1009).")
        elif self._is_given_up(message_id):
            count = MOST_INTERNAL_ERRORS
            self._results.refuse(message_id, f"it failed {count} times on it (1011).")
        else:
            self.window = 1

    def _is_given_up(self, message_id: str) -> bool:
        count = self._internal_errors.pop(message_id, 0) + 1
        if count < MOST_INTERNAL_ERRORS:
            self._internal_errors[message_id] = count
        return count >= MOST_INTERNAL_ERRORS
