"""A worker's signs of life, and what it knows of a gap."""

from datetime import datetime, timedelta

import pytest

from shared.domain.event import ALL_WORKERS, worker_subject
from shared.services.worker_presence import last_worker_sign
from shared.store import Store
from shared.store.errors import DatabaseError
from worker.signs_of_life import SignsOfLife
from worker.trusted_clock import Reading, TrustedClock

WORKER = worker_subject("host-a", 10083)


class Clocks:
    """Clocks that agree, or a database that is away."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.is_away = False

    def __call__(self, _store: Store) -> Reading:
        if self.is_away:
            raise DatabaseError("away")
        return Reading(wall=self.now, steady_seconds=self.now.timestamp(), server=self.now)


@pytest.fixture
def clocks(now: datetime) -> Clocks:
    return Clocks(now)


def make_signs(store: Store, clocks: Clocks) -> SignsOfLife:
    return SignsOfLife(store, TrustedClock(store, WORKER, clocks), WORKER)


def reasons(store: Store) -> list[str | None]:
    return [event.reason for event in store.events.find(subject=ALL_WORKERS)]


def test_a_worker_notes_that_it_runs(store: Store, clocks: Clocks, now: datetime) -> None:
    assert make_signs(store, clocks).note() is False
    assert last_worker_sign(store) == now


def test_a_worker_that_starts_anew_finds_that_none_was_running(
    store: Store, clocks: Clocks
) -> None:
    make_signs(store, clocks).note()
    clocks.now += timedelta(minutes=2)
    make_signs(store, clocks).note()
    assert reasons(store) == ["no_worker"]


def test_a_worker_that_ran_on_knows_that_the_database_was_away(
    store: Store, clocks: Clocks
) -> None:
    signs = make_signs(store, clocks)
    signs.note()
    clocks.is_away = True
    with pytest.raises(DatabaseError):
        signs.note()
    clocks.is_away = False
    clocks.now += timedelta(minutes=2)
    signs.note()
    assert reasons(store) == ["no_database"]


def test_a_worker_that_began_in_an_outage_does_not_blame_the_database(
    store: Store, clocks: Clocks
) -> None:
    make_signs(store, clocks).note()
    signs = make_signs(store, clocks)
    clocks.is_away = True
    with pytest.raises(DatabaseError):
        signs.note()
    clocks.is_away = False
    clocks.now += timedelta(minutes=2)
    signs.note()
    assert reasons(store) == ["no_worker"]
