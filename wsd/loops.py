"""The runner of the daemon's loops: each is one tick, called for ever."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from shared.errors import DatabaseUnavailable
from shared.store import DatabaseError

log = logging.getLogger(__name__)


async def run_every(
    name: str,
    seconds: float,
    tick: Callable[[], Awaitable[bool]],
    wake: asyncio.Event | None = None,
) -> None:
    """Call tick for ever: again at once while it says that work is left, else after a pause.

    A tick that fails is logged and tried again after the pause; `wake` cuts the pause short.
    """
    wake = wake or asyncio.Event()
    while True:
        try:
            work_left = await tick()
        except (DatabaseError, DatabaseUnavailable) as error:
            log.warning("%s: the database does not answer (%s)", name, type(error).__name__)
            work_left = False
        except Exception:
            log.exception("%s failed", name)
            work_left = False
        if not work_left:
            await _pause(seconds, wake)


async def _pause(seconds: float, wake: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        pass
    wake.clear()
