"""The runner of the daemon's loops: each is one tick, called until the daemon stops."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from shared.store.errors import is_away

log = logging.getLogger(__name__)


class Loop:
    """A tick that is called again at once while it says that work is left, else after a pause."""

    def __init__(self, name: str, seconds: float, tick: Callable[[], Awaitable[bool]]) -> None:
        self._name = name
        self._seconds = seconds
        self._tick = tick
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Cut the pause short."""
        self._wake.set()

    async def run(self) -> None:
        """Call the tick until cancelled; one that fails is logged, and comes again after a pause."""
        while True:
            self._wake.clear()
            if not await self._call_tick():
                await self._pause()

    async def _call_tick(self) -> bool:
        try:
            return await self._tick()
        except Exception as error:
            fields = {"loop": self._name, "error": type(error).__name__}
            if is_away(error):
                log.warning("a loop found no database", extra=fields)
            else:
                log.exception("a loop failed", extra=fields)
        return False

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
