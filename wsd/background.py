"""Work that runs to its end beside what started it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


class Background:
    """Keeps tasks from being forgotten: the event loop itself only refers to them weakly."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def run(self, work: Coroutine[Any, Any, R]) -> "asyncio.Task[R]":
        """Run something to its end while others go on."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def wait(self) -> None:
        """Wait until everything has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)
