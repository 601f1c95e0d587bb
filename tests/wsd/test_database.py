"""The crossing to the store: calls run in threads, and their errors come back."""

import asyncio
import threading

import pytest
from pymongo.errors import AutoReconnect

from shared.store import Store
from wsd.database import Database


async def test_a_call_runs_beside_the_event_loop(store: Store) -> None:
    database = Database(store, threads=1, name="store")
    is_over = threading.Event()
    waiting = asyncio.create_task(database.run(is_over.wait, 5))
    await asyncio.sleep(0)  # the loop goes on meanwhile
    is_over.set()
    assert await waiting is True
    database.close()


async def test_an_error_of_the_call_is_raised_where_it_is_awaited(store: Store) -> None:
    def fail() -> None:
        raise AutoReconnect("away")

    database = Database(store, threads=1, name="store")
    with pytest.raises(AutoReconnect):
        await database.run(fail)
    database.close()


async def test_closing_does_not_wait_for_a_call_that_hangs(store: Store) -> None:
    database = Database(store, threads=1, name="store")
    is_over = threading.Event()
    hanging = asyncio.create_task(database.run(is_over.wait, 5))
    queued = asyncio.create_task(database.run(is_over.wait, 5))
    await asyncio.sleep(0.01)
    database.close()
    assert not hanging.done()
    with pytest.raises(asyncio.CancelledError):
        await queued
    is_over.set()
    assert await hanging is True
