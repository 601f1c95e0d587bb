"""Heartbeats: raised in a few updates, made where they are missing, never lowered."""

from datetime import datetime, timedelta

from shared.domain.presence import NEVER, LastTimes
from shared.store import Store


def hashes(count: int) -> list[str]:
    return [f"{number:064x}" for number in range(count)]


def test_a_heartbeat_is_made_by_its_first_flush_and_read_back(store: Store, now: datetime) -> None:
    store.heartbeats.record({now: ["a"]})
    assert store.heartbeats.get("a").heartbeat_at == now
    assert store.heartbeats.get("b").heartbeat_at is None


def test_many_heartbeats_of_several_seconds_are_recorded(store: Store, now: datetime) -> None:
    ids = hashes(2500)
    later = now + timedelta(seconds=1)
    store.heartbeats.record({now: ids[:1200], later: ids[1200:]})
    heartbeats = store.heartbeats.all()
    assert set(heartbeats) == set(ids)
    assert (heartbeats[ids[0]].heartbeat_at, heartbeats[ids[-1]].heartbeat_at) == (now, later)


def test_missing_heartbeats_are_made_beside_those_that_exist(store: Store, now: datetime) -> None:
    store.heartbeats.record({now: ["a"]})
    later = now + timedelta(seconds=10)
    assert store.heartbeats.record({later: ["a", "b"]}) == ["b"]
    assert store.heartbeats.of(["a", "b"]) == {
        "a": LastTimes(later, None),
        "b": LastTimes(later, None),
    }


def test_a_late_flush_does_not_lower_a_heartbeat(store: Store, now: datetime) -> None:
    store.heartbeats.record({now: ["a"]})
    store.heartbeats.record({now - timedelta(seconds=5): ["a"]})
    assert store.heartbeats.get("a").heartbeat_at == now


def test_a_missing_heartbeat_named_under_two_seconds_gets_the_later(
    store: Store, now: datetime
) -> None:
    later = now + timedelta(seconds=1)
    store.heartbeats.record({later: ["a"], now: ["a"]})
    assert store.heartbeats.get("a").heartbeat_at == later


def test_heartbeats_of_some_modules_are_read(store: Store, now: datetime) -> None:
    store.heartbeats.record({now: ["a", "b", "c"]})
    assert store.heartbeats.of(["a", "x"]) == {"a": LastTimes(now, None)}


def test_the_time_of_a_last_result_stands_beside_the_heartbeat(store: Store, now: datetime) -> None:
    later = now + timedelta(seconds=5)
    store.heartbeats.record({now: ["a"]})
    store.heartbeats.note_executions({later: ["a"], now: ["a"]})
    assert store.heartbeats.get("a") == LastTimes(now, later)


def test_a_result_makes_no_heartbeat(store: Store, now: datetime) -> None:
    store.heartbeats.note_executions({now: ["a"]})
    assert store.heartbeats.get("a") == NEVER


def test_a_removed_heartbeat_is_gone(store: Store, now: datetime) -> None:
    store.heartbeats.record({now: ["a"]})
    store.heartbeats.remove("a")
    assert store.heartbeats.get("a").heartbeat_at is None
