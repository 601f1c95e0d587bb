"""The cached listing: who reads it again, when, and what is served meanwhile."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from pymongo.errors import AutoReconnect

from api.circuit_breaker import Database
from api.listing_cache import CachedListing, write_out
from shared.domain.presence import Presence, PresenceRules, State
from shared.errors import DatabaseUnavailable
from shared.services.module_listing import ListedModule, Listing
from shared.store import Store
from tests.api.conftest import Clock
from tests.support.builders import NOON, make_module, make_session

RULES = PresenceRules(interval=timedelta(seconds=30), flush=timedelta(seconds=10))


class Reader:
    """Stands for list_online: counts its calls, and takes as long as a test wants."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.calls = 0
        self.takes_seconds = 0.0
        self.lease_left: timedelta | None = None
        self.is_doubtful = False
        self.fails_with: Exception | None = None
        self.trusted_leases: list[bool] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.is_reading = threading.Event()

    def __call__(
        self, store: Store, rules: PresenceRules, now: datetime, *, trust_lease: bool
    ) -> Listing:
        self.calls += 1
        self.trusted_leases.append(trust_lease)
        self.is_reading.set()
        assert self.may_go_on.wait(10)
        if self.fails_with is not None:
            raise self.fails_with
        changes, _ = store.counters.read()
        self.clock.seconds += self.takes_seconds
        valid_until = now + self.lease_left if self.lease_left is not None else None
        return Listing(
            modules=(),
            changes=changes,
            read_at=now,
            valid_until=valid_until,
            is_doubtful=self.is_doubtful,
        )


@pytest.fixture
def reader(clock: Clock) -> Reader:
    return Reader(clock)


@pytest.fixture
def listing(database: Database, reader: Reader, clock: Clock) -> CachedListing:
    return CachedListing(database, RULES, reader, clock)


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


def test_no_listing_outlives_a_lease_that_it_rests_on(
    listing: CachedListing, reader: Reader, clock: Clock
) -> None:
    reader.lease_left = timedelta(seconds=3)
    listing.current()
    clock.seconds += 2.9
    listing.current()
    assert reader.calls == 1
    clock.seconds += 0.1
    listing.current()
    assert reader.calls == 2


def test_a_doubtful_listing_is_read_again_every_second(
    listing: CachedListing, reader: Reader, clock: Clock
) -> None:
    reader.is_doubtful = True
    listing.current()
    clock.seconds += 1.0
    listing.current()
    assert reader.calls == 2


def test_without_the_database_there_is_no_old_news(
    listing: CachedListing, database: Database, clock: Clock
) -> None:
    listing.current()
    with pytest.raises(DatabaseUnavailable), database.use():
        raise AutoReconnect("gone")
    listing.current()  # looked at a moment ago
    clock.seconds += 0.3
    with pytest.raises(DatabaseUnavailable):
        listing.current()


def test_after_an_outage_leases_have_ten_seconds_of_grace(
    listing: CachedListing, reader: Reader, database: Database, clock: Clock
) -> None:
    with pytest.raises(DatabaseUnavailable), database.use():
        raise AutoReconnect("gone")
    clock.seconds += 1.0
    listing.current()
    clock.seconds += 9.9
    listing.current()
    clock.seconds += 0.1
    listing.current()
    assert reader.trusted_leases == [False, True]


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
    clock.seconds += 9.9
    listing.current()
    clock.seconds += 0.2
    reader.is_reading.clear()
    reader.may_go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(listing.current)
        assert reader.is_reading.wait(10)
        assert listing.current() is before
        clock.seconds += 5.0
        other = pool.submit(listing.current)
        reader.may_go_on.set()
        assert other.result(10) is one.result(10)


def test_nobody_waits_for_a_reading_for_ever(
    listing: CachedListing, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.listing_cache.WAIT_SECONDS", 0.05)
    reader.may_go_on.clear()
    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(listing.current)
        assert reader.is_reading.wait(10)
        with pytest.raises(DatabaseUnavailable):
            listing.current()
        reader.may_go_on.set()
        assert one.result(10)


def test_a_reading_that_fails_is_an_outage(
    listing: CachedListing, reader: Reader, clock: Clock
) -> None:
    reader.fails_with = AutoReconnect("gone")
    with pytest.raises(DatabaseUnavailable):
        listing.current()
    reader.fails_with = None
    clock.seconds += 1.0
    assert listing.current()


def make_listed(**overrides: object) -> ListedModule:
    values = {"last_alive_time": NOON} | overrides
    presence = Presence(state=State.ONLINE, reason=None, since=NOON, session=make_session())
    return ListedModule(module=make_module(), presence=presence, **values)


def test_the_etag_overlooks_when_a_module_last_spoke() -> None:
    earlier = write_out([make_listed()])
    later = write_out([make_listed(last_alive_time=NOON + timedelta(seconds=10))])
    assert earlier.etag == later.etag
    assert earlier.body != later.body
    assert write_out([]).etag != earlier.etag
