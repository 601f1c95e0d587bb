"""A loop calls its tick again and again, whatever becomes of one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from pymongo.errors import AutoReconnect

from shared.errors import DatabaseUnavailable
from tests.support.held_sockets import until
from wsd.loops.runner import Loop


class Ticks:
    """A tick that does what is planned, then nothing."""

    def __init__(self, *plan: bool | Exception) -> None:
        self.plan = list(plan)
        self.count = 0

    async def __call__(self) -> bool:
        self.count += 1
        await asyncio.sleep(0)
        result = self.plan.pop(0) if self.plan else False
        if isinstance(result, Exception):
            raise result
        return result


@asynccontextmanager
async def running(tick: Callable[[], Awaitable[bool]], seconds: float) -> AsyncIterator[Loop]:
    loop = Loop("test", seconds, tick)
    task = asyncio.create_task(loop.run())
    yield loop
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_tick_that_left_work_is_called_again_at_once() -> None:
    ticks = Ticks(True, True, False)
    async with running(ticks, seconds=60):
        await until(lambda: ticks.count == 3)


async def test_a_tick_without_work_comes_again_after_the_pause() -> None:
    ticks = Ticks()
    async with running(ticks, seconds=0.01):
        await until(lambda: ticks.count > 3)


async def test_a_loop_that_is_woken_does_not_wait() -> None:
    ticks = Ticks()
    async with running(ticks, seconds=60) as loop:
        await until(lambda: ticks.count == 1)
        loop.wake()
        await until(lambda: ticks.count == 2)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AutoReconnect("away"), "a loop found no database"),
        (DatabaseUnavailable(), "a loop found no database"),
        (ValueError("ours"), "a loop failed"),
    ],
)
async def test_a_failed_tick_is_logged_and_comes_again(
    caplog: pytest.LogCaptureFixture, error: Exception, said: str
) -> None:
    ticks = Ticks(error)
    async with running(ticks, seconds=0.01):
        await until(lambda: ticks.count > 1)
    assert said in [record.message for record in caplog.records]
