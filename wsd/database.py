"""The one crossing from the event loop to the synchronous store."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from shared.store import Store

P = ParamSpec("P")
R = TypeVar("R")


class Database:
    """A store, and a few threads that wait for it so that the event loop does not."""

    def __init__(self, store: Store, *, threads: int, name: str) -> None:
        self.store = store
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a store or service call in a thread; its errors are raised here."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: call(*args, **kwargs))

    def close(self) -> None:
        """Let running calls end in the background and take no new ones."""
        self._threads.shutdown(wait=False, cancel_futures=True)
