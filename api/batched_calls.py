"""Calls that threads make at the same time go together, so that they share what a call costs.

The first thread makes its call at once. Those that come while it is under way wait; then one of
them makes the next call for all of them.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(eq=False)
class _Call(Generic[Item, Answer]):
    item: Item
    # Set when the answer is there, or when it is this thread's turn to call.
    woken: threading.Event = field(default_factory=threading.Event)
    answer: Future[Answer] = field(default_factory=Future)


class BatchedCalls(Generic[Item, Answer]):
    """Turns calls for one item each into calls for many, of which one is under way at a time."""

    def __init__(self, call_for_all: Callable[[Sequence[Item]], Sequence[Answer]]) -> None:
        self._call_for_all = call_for_all
        self._lock = threading.Lock()
        self._waiting: list[_Call[Item, Answer]] = []
        self._is_busy = False

    def call(self, item: Item) -> Answer:
        """Return the answer for this item; raises what the call for its batch raised."""
        mine = _Call[Item, Answer](item)
        with self._lock:
            self._waiting.append(mine)
            is_next = not self._is_busy
            self._is_busy = True
        if not is_next:
            mine.woken.wait()
        if not mine.answer.done():
            self._call_for_waiting()
        return mine.answer.result()

    def _call_for_waiting(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting, []
        try:
            answers = self._call_for_all([call.item for call in batch])
            answered = list(zip(batch, answers, strict=True))
        except BaseException as error:
            batch += self._fail(batch, error)
            raise
        else:
            for call, answer in answered:
                call.answer.set_result(answer)
        finally:
            self._pass_on(batch)

    def _fail(
        self, batch: Sequence[_Call[Item, Answer]], error: BaseException
    ) -> list[_Call[Item, Answer]]:
        """Give the error to all, also to those that wait: an outage must not cost them another call."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for call in (*batch, *waiting):
            call.answer.set_exception(error)
        return waiting

    def _pass_on(self, batch: Sequence[_Call[Item, Answer]]) -> None:
        with self._lock:
            self._is_busy = bool(self._waiting)
            following = self._waiting[:1]
        for call in (*batch, *following):
            call.woken.set()
