"""Waits for what must become true, and watches what must stay true."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

R = TypeVar("R")

LOOK_AGAIN_SECONDS = 0.02
DEFAULT_SECONDS = 8.0


def eventually(condition: Callable[[], R], seconds: float = DEFAULT_SECONDS) -> R:
    """Return the condition's value as soon as it is true; fail when it never is."""
    __tracebackhide__ = True
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"did not come true within {seconds:g} s; the last answer was {value!r}")
        time.sleep(LOOK_AGAIN_SECONDS)
    return value


async def eventually_async(condition: Callable[[], R], seconds: float = DEFAULT_SECONDS) -> R:
    """Do the same while the loop goes on; the condition is called in a thread, for it may block."""
    __tracebackhide__ = True
    deadline = time.monotonic() + seconds
    while not (value := await asyncio.to_thread(condition)):
        if time.monotonic() > deadline:
            pytest.fail(f"did not come true within {seconds:g} s; the last answer was {value!r}")
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return value


def eventually_equal(read: Callable[[], R], expected: R, seconds: float = DEFAULT_SECONDS) -> None:
    """Return as soon as what is read equals what is expected; fail when it never does."""
    __tracebackhide__ = True
    deadline = time.monotonic() + seconds
    while (value := read()) != expected:
        if time.monotonic() > deadline:
            pytest.fail(f"expected {expected!r} within {seconds:g} s, still read {value!r}")
        time.sleep(LOOK_AGAIN_SECONDS)


def throughout(seconds: float, condition: Callable[[], object]) -> None:
    """Look at the condition again and again for so long; fail the first time that it is false."""
    __tracebackhide__ = True
    started = time.monotonic()
    while (passed := time.monotonic() - started) < seconds:
        if not condition():
            pytest.fail(f"was no longer true after {passed:.2f} of {seconds:g} s")
        time.sleep(LOOK_AGAIN_SECONDS)
