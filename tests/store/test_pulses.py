"""Pulses: raised in a few updates, made where they are missing, never lowered."""

from datetime import datetime, timedelta

import pytest

from shared.store import Store


def hashes(count: int) -> list[str]:
    return [f"{number:064x}" for number in range(count)]


def test_a_pulse_is_made_at_registration_and_read_back(store: Store, now: datetime) -> None:
    store.pulses.start("a", now)
    assert store.pulses.get("a") == now
    assert store.pulses.get("b") is None


def test_registering_again_does_not_lower_a_pulse(store: Store, now: datetime) -> None:
    store.pulses.start("a", now)
    store.pulses.start("a", now - timedelta(hours=1))
    assert store.pulses.get("a") == now


def test_many_pulses_of_several_seconds_are_recorded(store: Store, now: datetime) -> None:
    ids = hashes(2500)
    later = now + timedelta(seconds=1)
    store.pulses.record({now: ids[:1200], later: ids[1200:]})
    pulses = store.pulses.read(ids, registered=len(ids))
    assert set(pulses) == set(ids)
    assert (pulses[ids[0]], pulses[ids[-1]]) == (now, later)


def test_missing_pulses_are_made_beside_those_that_exist(store: Store, now: datetime) -> None:
    store.pulses.start("a", now)
    later = now + timedelta(seconds=10)
    store.pulses.record({later: ["a", "b"]})
    assert store.pulses.read(["a", "b"], registered=2) == {"a": later, "b": later}


def test_a_late_flush_does_not_lower_a_pulse(store: Store, now: datetime) -> None:
    store.pulses.record({now: ["a"]})
    store.pulses.record({now - timedelta(seconds=5): ["a"]})
    assert store.pulses.get("a") == now


def test_a_missing_pulse_named_under_two_seconds_gets_the_later(
    store: Store, now: datetime
) -> None:
    later = now + timedelta(seconds=1)
    store.pulses.record({later: ["a"], now: ["a"]})
    assert store.pulses.get("a") == later


@pytest.mark.parametrize("registered", [3, 1000])
def test_pulses_are_read_the_cheaper_way(store: Store, now: datetime, registered: int) -> None:
    store.pulses.record({now: ["a", "b", "c"]})
    pulses = store.pulses.read(["a", "x"], registered=registered)
    assert pulses["a"] == now
    assert "x" not in pulses


def test_a_removed_pulse_is_gone(store: Store, now: datetime) -> None:
    store.pulses.start("a", now)
    store.pulses.remove("a")
    assert store.pulses.get("a") is None
