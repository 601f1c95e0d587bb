"""The cached listing: which thread reads it again, when, and what is served meanwhile."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from pymongo.errors import AutoReconnect

from api.circuit_breaker import CircuitBreaker
from api.listing_cache import CachedListing
from shared.clock import utc_now
from shared.domain.node import LeaseGrace
from shared.domain.presence import PresenceRules
from shared.errors import DatabaseUnavailable
from shared.services.module_listing import ListedModule, Listing
from shared.store import Store
from tests.api.conftest import Clock
from tests.support.builders import NODE, make_node
from tests.support.eventually import eventually

RULES = PresenceRules(interval=timedelta(seconds=30), flush=timedelta(seconds=10))


class Reader:
    """Stands for stream_online: counts its calls, and takes as long as a test wants."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.calls = 0
        self.takes_seconds = 0.0
        self.fails_with: Exception | None = None
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.is_reading = threading.Event()

    def __call__(
        self, store: Store, rules: PresenceRules, now: datetime, grace: LeaseGrace
    ) -> Listing[Iterator[ListedModule]]:
        self.calls += 1
        changes, _ = store.counters.read()
        nodes = grace.judge(store.nodes.all(), now)
        self.is_reading.set()
        assert self.may_go_on.wait(10)
        if self.fails_with is not None:
            raise self.fails_with
        self.clock.seconds += self.takes_seconds
        return Listing(modules=iter(()), changes=changes, nodes=nodes)


@pytest.fixture
def reader(clock: Clock) -> Reader:
    return Reader(clock)


@pytest.fixture
def listing(breaker: CircuitBreaker, reader: Reader, clock: Clock) -> CachedListing:
    return CachedListing(breaker, RULES, reader, clock)


def test_an_unchanged_listing_is_read_once(
    listing: CachedListing, reader: Reader, clock: Clock
) -> None:
    for _ in range(30):
        listing.current()
        clock.seconds += 0.3
    assert reader.calls == 1


def test_it_is_read_again_when_it_is_ten_seconds_old(
    listing: CachedListing, reader: Reader, clock: Clock
) -> None:
    listing.current()
    clock.seconds += 10.0
    listing.current()
    assert reader.calls == 2


def test_a_change_shows_within_a_second(
    listing: CachedListing, reader: Reader, clock: Clock, store: Store
) -> None:
    listing.current()
    store.counters.note_registry_change()
    clock.seconds += 0.2
    listing.current()
    assert reader.calls == 1  # the counter is not looked at so soon
    clock.seconds += 0.1
    listing.current()
    assert reader.calls == 2


def test_a_long_listing_is_read_again_after_four_times_as_long(
    listing: CachedListing, reader: Reader, clock: Clock, store: Store
) -> None:
    reader.takes_seconds = 0.75
    listing.current()
    store.counters.note_registry_change()
    clock.seconds += 2.9
    listing.current()
    assert reader.calls == 1
    clock.seconds += 0.3
    listing.current()
    assert reader.calls == 2


def enrol(store: Store, *, lease_seconds: float) -> None:
    now = utc_now()
    store.nodes.enrol(make_node(lease_until=now + timedelta(seconds=lease_seconds)))


def end_lease(store: Store) -> None:
    store.nodes.renew(NODE, utc_now() - timedelta(seconds=10), sessions=1)


def look_often(listing: CachedListing, clock: Clock, seconds: float) -> None:
    for _ in range(int(seconds)):
        listing.current()
        clock.seconds += 1.0


def test_no_listing_outlives_a_lease_that_it_rests_on(
    listing: CachedListing, reader: Reader, clock: Clock, store: Store
) -> None:
    enrol(store, lease_seconds=20)
    reader.takes_seconds = 2.0
    look_often(listing, clock, 11)
    end_lease(store)
    calls = reader.calls
    clock.seconds += 0.3
    assert listing.current().nodes.alive == set()
    assert reader.calls == calls + 1  # it did not wait until four times as long was over


def test_a_reading_that_began_before_a_node_died_is_not_served_after_it(
    listing: CachedListing, reader: Reader, clock: Clock, store: Store
) -> None:
    enrol(store, lease_seconds=20)
    reader.may_go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(listing.current)
        assert reader.is_reading.wait(10)
        assert store.nodes.declare_dead(NODE, make_node().renewals, utc_now())
        clock.seconds += 0.3
        other = pool.submit(listing.current)
        eventually(lambda: listing._looked_at == clock.seconds)
        reader.may_go_on.set()
        assert other.result(10).nodes.alive == one.result(10).nodes.alive == set()
    assert listing.current().nodes.alive == set()
    assert reader.calls == 2


def test_after_an_outage_a_lease_that_is_over_is_believed_for_ten_seconds(
    listing: CachedListing, breaker: CircuitBreaker, clock: Clock, store: Store
) -> None:
    enrol(store, lease_seconds=20)
    look_often(listing, clock, 11)
    with pytest.raises(DatabaseUnavailable), breaker.use():
        raise AutoReconnect("gone")
    end_lease(store)
    clock.seconds += 30.0
    for _ in range(10):
        assert listing.current().nodes.in_doubt == {NODE}
        clock.seconds += 1.0
    assert listing.current().nodes.alive == set()


def test_a_node_that_comes_back_is_seen_within_a_second(
    listing: CachedListing, clock: Clock, store: Store
) -> None:
    enrol(store, lease_seconds=-10)
    assert listing.current().nodes.in_doubt == {NODE}
    store.nodes.renew(NODE, utc_now() + timedelta(seconds=20), sessions=1)
    clock.seconds += 0.3
    assert listing.current().nodes.in_doubt == set()


def test_without_the_database_there_is_no_old_news(
    listing: CachedListing, breaker: CircuitBreaker, clock: Clock
) -> None:
    listing.current()
    with pytest.raises(DatabaseUnavailable), breaker.use():
        raise AutoReconnect("gone")
    listing.current()  # looked at a moment ago
    clock.seconds += 0.3
    with pytest.raises(DatabaseUnavailable):
        listing.current()


def test_many_at_once_are_one_reading(listing: CachedListing, reader: Reader) -> None:
    with ThreadPoolExecutor(8) as pool:
        snapshots = list(pool.map(lambda _: listing.current(), range(8)))
    assert reader.calls == 1
    assert all(snapshot is snapshots[0] for snapshot in snapshots)


def test_while_one_reads_the_others_have_the_listing_from_before(
    listing: CachedListing, reader: Reader, clock: Clock, store: Store
) -> None:
    before = listing.current()
    store.counters.note_registry_change()
    clock.seconds += 0.3
    reader.is_reading.clear()
    reader.may_go_on.clear()
    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(listing.current)
        assert reader.is_reading.wait(10)
        assert listing.current() is before
        reader.may_go_on.set()
        assert one.result(10) is not before


def test_an_old_listing_is_served_while_one_reads_but_not_longer_than_15_seconds(
    listing: CachedListing, reader: Reader, clock: Clock
) -> None:
    before = listing.current()
    look_often(listing, clock, 10)
    clock.seconds += 0.1
    reader.is_reading.clear()
    reader.may_go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(listing.current)
        assert reader.is_reading.wait(10)
        assert listing.current() is before
        clock.seconds += 5.0
        other = pool.submit(listing.current)
        reader.may_go_on.set()
        assert other.result(10) is one.result(10) is not before


def test_nobody_waits_for_a_reading_for_ever_and_it_goes_on(
    listing: CachedListing, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.listing_cache.WAIT_SECONDS", 0.05)
    reader.may_go_on.clear()
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            listing.current()
    reader.may_go_on.set()
    eventually(lambda: listing._snapshot)
    assert listing.current()
    assert reader.calls == 1


def test_a_listing_that_takes_long_to_read_is_read_a_fifth_of_the_time(
    listing: CachedListing, reader: Reader, clock: Clock
) -> None:
    reader.takes_seconds = 8.0
    listing.current()
    look_often(listing, clock, 32)
    assert reader.calls == 1
    clock.seconds += 0.1
    listing.current()
    assert reader.calls == 2


def test_a_reading_that_fails_is_an_outage(
    listing: CachedListing, reader: Reader, clock: Clock
) -> None:
    reader.fails_with = AutoReconnect("gone")
    with pytest.raises(DatabaseUnavailable):
        listing.current()
    reader.fails_with = None
    clock.seconds += 1.0
    assert listing.current()
