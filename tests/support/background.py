"""An event loop in a thread, so that clients and proxies go on while a test waits or kills."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

R = TypeVar("R")

CALL_SECONDS = 20.0


class BackgroundLoop:
    """Runs coroutines and plain calls in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        # The test run has asyncio's debug mode on, which would make hundreds of clients crawl.
        self._loop.set_debug(False)
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine over there and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)

    def call(self, function: Callable[..., R], *args: Any) -> R:
        """Call a function in the loop's thread and return its result."""

        async def call() -> R:
            return function(*args)

        return self.run(call())

    def spawn(self, works: Iterable[Coroutine[Any, Any, Any]]) -> "list[asyncio.Task[Any]]":
        """Start tasks over there and return at once."""
        return self.call(lambda: [self._loop.create_task(work) for work in works])

    def stop(self) -> None:
        """Cancel what still runs, and end the thread."""
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS)
        self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
