"""When workers ran, and the gaps without any."""

from datetime import datetime, timedelta

from shared.domain.event import ALL_WORKERS, worker_subject
from shared.services.worker_presence import last_worker_sign, note_worker
from shared.store import Store

WORKER = worker_subject("host-a", 10083)
OTHER = worker_subject("host-b", 10083)


def gaps(store: Store) -> list[tuple[datetime, datetime, str | None]]:
    events = store.events.find(subject=ALL_WORKERS)
    return [(event.detail["since"], event.at, event.reason) for event in events]


def test_nothing_is_known_before_the_first_worker(store: Store, now: datetime) -> None:
    assert last_worker_sign(store) is None
    note_worker(store, WORKER, now)
    assert last_worker_sign(store) == now
    assert gaps(store) == []


def test_a_worker_that_goes_on_leaves_no_gap(store: Store, now: datetime) -> None:
    for seconds in (0, 5, 11, 20):
        note_worker(store, WORKER, now + timedelta(seconds=seconds))
    assert gaps(store) == []


def test_a_gap_without_any_worker_is_told_once(store: Store, now: datetime) -> None:
    back = now + timedelta(minutes=12)
    note_worker(store, WORKER, now)
    note_worker(store, WORKER, back)
    note_worker(store, OTHER, back + timedelta(seconds=1))
    assert gaps(store) == [(now, back, "no_worker")]


def test_another_worker_fills_the_gap_of_one(store: Store, now: datetime) -> None:
    note_worker(store, WORKER, now)
    note_worker(store, OTHER, now + timedelta(seconds=10))
    note_worker(store, WORKER, now + timedelta(seconds=20))
    assert gaps(store) == []


def test_a_gap_that_a_running_worker_saw_is_the_databases(store: Store, now: datetime) -> None:
    back = now + timedelta(minutes=1)
    note_worker(store, WORKER, now)
    note_worker(store, WORKER, back, met_outage=True)
    assert gaps(store) == [(now, back, "no_database")]


def test_a_clock_that_goes_back_does_not_take_the_sign_back(store: Store, now: datetime) -> None:
    note_worker(store, WORKER, now)
    note_worker(store, WORKER, now - timedelta(hours=1))
    assert last_worker_sign(store) == now
