"""The history: written once, found by module, time and reason, purged by age."""

from datetime import datetime, timedelta

import pytest

from shared.domain.closing import OfflineReason
from shared.domain.event import Event, came_online, module_subject, went_offline
from shared.store import Store
from tests.support.builders import NODE

A, B = "a" * 64, "b" * 64


def online(module_hash: str, epoch: int, at: datetime) -> Event:
    return came_online(module_hash, epoch, at, node=NODE, peer="192.0.2.7:1")


def test_an_event_that_is_recorded_stays_as_it_is(store: Store, now: datetime) -> None:
    first = went_offline(A, 1, now, OfflineReason.NODE_LOST)
    second = went_offline(A, 1, now + timedelta(seconds=1), OfflineReason.REPLACED)
    other = online(A, 2, now)
    store.events.record([first])
    store.events.record([second, other])
    store.events.record([])
    assert store.events.find() == [first, other]


def test_events_are_found_by_module_time_and_reason(store: Store, now: datetime) -> None:
    old = online(A, 1, now - timedelta(hours=2))
    lost = went_offline(A, 1, now, OfflineReason.NODE_LOST)
    bye = went_offline(B, 1, now, OfflineReason.BYE)
    store.events.record([bye, lost, old])
    assert store.events.find(subject=module_subject(A)) == [old, lost]
    assert store.events.find(since=now) == [lost, bye]
    assert store.events.find(reason="bye") == [bye]
    assert store.events.find(subject=module_subject(A), since=now, reason="bye") == []


def test_one_millisecond_is_told_in_the_order_of_the_sessions(store: Store, now: datetime) -> None:
    told = [
        event
        for epoch in range(8, 12)
        for event in (online(A, epoch, now), went_offline(A, epoch, now, OfflineReason.REPLACED))
    ]
    store.events.record(told[::-1])
    assert store.events.find() == told


def test_sessions_on_nodes_with_different_clocks_are_told_in_their_order(
    store: Store, now: datetime
) -> None:
    """The second node's clock is half a second behind, and a takeover takes less."""
    behind = timedelta(seconds=0.5)
    told = [
        online(A, 1, now - timedelta(seconds=10)),
        went_offline(A, 1, now + timedelta(seconds=0.1) - behind, OfflineReason.REPLACED),
        online(A, 2, now + timedelta(seconds=0.1) - behind),
        went_offline(A, 2, now, OfflineReason.REPLACED),
        online(A, 3, now + timedelta(seconds=0.2) - behind),
        went_offline(A, 3, now + timedelta(seconds=0.3) - behind, OfflineReason.BYE),
    ]
    store.events.record(told[::-1])
    assert store.events.find() == told


def test_two_modules_whose_nodes_clocks_differ_do_not_mix_their_sessions(
    store: Store, now: datetime
) -> None:
    late = [online(A, 9, now), went_offline(A, 9, now - timedelta(seconds=1), OfflineReason.BYE)]
    between = online(B, 1, now - timedelta(seconds=0.5))
    store.events.record([*late, between])
    assert store.events.find() == [between, *late]


def test_reasons_are_read_by_what_happened(store: Store, now: datetime) -> None:
    begun, ended = online(A, 1, now), went_offline(A, 1, now, OfflineReason.BYE)
    store.events.record([begun, ended])
    assert store.events.reasons([begun.id, ended.id, "unknown"]) == {
        begun.id: None,
        ended.id: "bye",
    }


def test_modules_of_the_past_are_found_by_how_their_hashes_start(
    store: Store, now: datetime
) -> None:
    store.events.record([online(A, 1, now), online(A, 2, now), online(B, 1, now)])
    assert store.events.modules_starting_with("aaaaaaaa") == {A}


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.store.events.PURGE_SLICE", 2)


@pytest.mark.usefixtures("small_slices")
def test_old_events_are_purged_in_slices(store: Store, now: datetime) -> None:
    store.events.record([online(A, n, now - timedelta(days=31)) for n in range(3)])
    store.events.record([online(A, 9, now)])
    before = now - timedelta(days=30)
    assert [store.events.purge(before) for _ in range(3)] == [2, 1, 0]
    assert [event.detail["epoch"] for event in store.events.find()] == [9]
