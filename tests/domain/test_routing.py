"""Which module gets work that several could do, and why."""

from typing import Any

import pytest

from shared.domain.ids import ModuleHash
from shared.domain.presence import State
from shared.domain.routing import Candidate, choose_in_order, choose_of_kind, shortlist

A, B, C = (ModuleHash(letter * 64) for letter in "abc")


def make_candidate(module_hash: ModuleHash, **overrides: Any) -> Candidate:
    values: dict[str, Any] = {
        "module_hash": module_hash,
        "module_id": "abc".index(module_hash[0]) + 1,
        "name": module_hash[0],
        "priority": 100,
        "enabled": True,
        "state": State.ONLINE,
    }
    return Candidate(**values | overrides)


def test_the_highest_priority_is_chosen_though_it_has_more_work() -> None:
    a, b = make_candidate(A), make_candidate(B, priority=200, open_work=5)
    choice = choose_of_kind([a, b])
    assert choice is not None
    assert (choice.module_hash, choice.fallback) == (B, (A,))
    assert choice.because == "the highest priority (200) of 2 online"


def test_the_least_open_work_decides_between_equal_priorities() -> None:
    busy, idle, low = (
        make_candidate(A, open_work=3),
        make_candidate(B, open_work=1),
        make_candidate(C, priority=1),
    )
    choice = choose_of_kind([busy, idle, low])
    assert choice is not None
    assert (choice.module_hash, choice.fallback) == (B, (A, C))
    assert choice.because == "the least open work (1) of 2 online with priority 100"


def test_the_older_module_is_chosen_between_equals() -> None:
    choice = choose_of_kind([make_candidate(B), make_candidate(A)])
    assert choice is not None
    assert choice.module_hash == A


def test_a_suspect_module_comes_after_all_others() -> None:
    suspect = make_candidate(A, state=State.SUSPECT, priority=900)
    choice = choose_of_kind([suspect, make_candidate(B)])
    assert choice is not None
    assert (choice.module_hash, choice.fallback) == (B, (A,))
    assert choice.because == "the only one of 2 connected that is not suspect"


@pytest.mark.parametrize("away", [{"state": State.OFFLINE}, {"enabled": False}])
def test_none_is_chosen_of_modules_that_are_away(away: dict[str, Any]) -> None:
    assert choose_of_kind([make_candidate(A, **away)]) is None
    assert choose_of_kind([]) is None


def test_those_that_failed_before_are_left_out_and_told_of() -> None:
    choice = choose_of_kind([make_candidate(A), make_candidate(B)], failed={A})
    assert choice is not None
    assert (choice.module_hash, choice.fallback) == (B, ())
    assert choice.because == "the only one of its kind that is online, without 1 that failed before"


def test_the_shortlist_is_of_one_rank() -> None:
    best = [make_candidate(A), make_candidate(B, open_work=7)]
    assert shortlist([*best, make_candidate(C, priority=99)]) == best
    assert shortlist([]) == []


def test_the_first_in_order_is_chosen_while_it_is_online() -> None:
    choice = choose_in_order([make_candidate(B), make_candidate(A, priority=900)])
    assert choice is not None
    assert (choice.module_hash, choice.because, choice.fallback) == (B, "named", (A,))


@pytest.mark.parametrize(
    ("away", "failed", "why"),
    [
        ({"state": State.OFFLINE}, (), "is offline"),
        ({"enabled": False}, (), "is disabled"),
        ({}, (A,), "failed"),
    ],
)
def test_the_next_in_order_is_chosen_when_the_first_cannot(
    away: dict[str, Any], failed: tuple[ModuleHash, ...], why: str
) -> None:
    choice = choose_in_order([make_candidate(A, **away), make_candidate(B)], failed)
    assert choice is not None
    assert choice.module_hash == B
    assert choice.because == f"fallback of 'a', which {why}"
    assert A not in choice.fallback or away == {"state": State.OFFLINE}


def test_the_first_waits_when_none_is_online() -> None:
    away = [make_candidate(key, state=State.OFFLINE) for key in (A, B)]
    choice = choose_in_order(away)
    assert choice is not None
    assert (choice.module_hash, choice.fallback) == (A, (B,))
    assert choice.because == "named; it is offline, and so are its fallbacks"
    alone = choose_in_order(away[:1])
    assert alone is not None
    assert alone.because == "named; it is offline"


def test_none_is_left_when_all_failed() -> None:
    assert choose_in_order([make_candidate(A)], failed=(A,)) is None
    assert choose_in_order([]) is None
