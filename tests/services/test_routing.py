"""Work for a kind finds the module that is online, has the highest priority and the least to do."""

from collections import Counter
from datetime import timedelta

import pytest

from shared.domain.message import MessageStatus
from shared.services.module_directory import ModuleDirectory
from shared.services.routing import COUNTED_AT_MOST, SEEN_SECONDS, Router
from tests.support.builders import RULES, make_message
from tests.support.registry import Registry
from tests.support.steady_clock import Clock


@pytest.fixture
def router(clock: Clock) -> Router:
    return Router(ModuleDirectory(clock), RULES, clock=clock)


def test_work_goes_to_the_online_module_of_the_kind(registry: Registry, router: Router) -> None:
    registry.enrol()
    registry.register("away", mission_kind="load", priority=900)
    registry.connect(registry.register("other", mission_kind="price", priority=900))
    module = registry.connect(registry.register("here", mission_kind="load"))
    choice = router.choose_of_kind(registry.store, " load ", registry.now)
    assert choice is not None
    assert choice.module_hash == module.module_hash
    assert choice.because == "the only one of its kind that is online"


def test_a_module_that_has_just_connected_is_found_at_once(
    registry: Registry, router: Router
) -> None:
    registry.enrol()
    assert router.choose_of_kind(registry.store, "load", registry.now) is None
    registry.connect(registry.register("here", mission_kind="load"))
    assert router.choose_of_kind(registry.store, "load", registry.now) is not None


def test_a_module_whose_node_is_dead_is_away(registry: Registry, router: Router) -> None:
    registry.enrol(lease_seconds=-10)
    registry.connect(registry.register("here", mission_kind="load"))
    assert router.choose_of_kind(registry.store, "load", registry.now) is None


def test_a_disabled_module_gets_nothing(registry: Registry, router: Router) -> None:
    registry.enrol()
    module = registry.connect(registry.register("here", mission_kind="load"))
    registry.store.modules.set_enabled(module.module_hash, registry.now, enabled=False)
    assert router.choose_of_kind(registry.store, "load", registry.now) is None


def test_a_suspect_module_gets_work_only_without_another(
    registry: Registry, router: Router, clock: Clock
) -> None:
    registry.enrol()
    before = registry.now - timedelta(minutes=5)
    silent = registry.register("silent", mission_kind="load", priority=900)
    registry.connect(silent, connected_at=before)
    choice = router.choose_of_kind(registry.store, "load", registry.now)
    assert choice is not None
    assert choice.module_hash == silent.module_hash
    module = registry.connect(registry.register("speaks", mission_kind="load"))
    clock.seconds += SEEN_SECONDS
    choice = router.choose_of_kind(registry.store, "load", registry.now)
    assert choice is not None
    assert (choice.module_hash, choice.fallback) == (module.module_hash, (silent.module_hash,))


def test_open_work_is_counted_and_ended_work_is_not(registry: Registry, router: Router) -> None:
    registry.enrol()
    busy, idle = (
        registry.connect(registry.register(name, mission_kind="load")) for name in ("busy", "idle")
    )
    work = [(busy, status) for status in (MessageStatus.QUEUED, MessageStatus.ACKED)]
    work += [
        (idle, MessageStatus.SENT),
        (idle, MessageStatus.SUCCEEDED),
        (idle, MessageStatus.DEAD),
    ]
    registry.store.messages.insert(
        [
            make_message(id=f"m{number}", module_hash=module.module_hash, status=status)
            for number, (module, status) in enumerate(work)
        ]
    )
    choice = router.choose_of_kind(registry.store, "load", registry.now)
    assert choice is not None
    assert choice.module_hash == idle.module_hash
    assert choice.because == "the least open work (1) of 2 online with priority 100"


def test_much_work_at_once_is_spread_evenly(registry: Registry, router: Router) -> None:
    registry.enrol()
    for number in range(4):
        registry.connect(registry.register(f"module-{number}", mission_kind="load"))
    choices = [router.choose_of_kind(registry.store, "load", registry.now) for _ in range(20)]
    assert sorted(Counter(c.module_hash for c in choices if c).values()) == [5, 5, 5, 5]


def test_a_large_kind_is_sampled(registry: Registry, router: Router) -> None:
    registry.enrol()
    for number in range(COUNTED_AT_MOST + 5):
        registry.connect(registry.register(f"module-{number}", mission_kind="load"))
    choices = {
        c.module_hash
        for _ in range(COUNTED_AT_MOST)
        if (c := router.choose_of_kind(registry.store, "load", registry.now))
    }
    assert len(choices) == COUNTED_AT_MOST


def test_those_that_failed_are_left_out(registry: Registry, router: Router) -> None:
    registry.enrol()
    module = registry.connect(registry.register("here", mission_kind="load"))
    fallback = registry.connect(registry.register("old model"))
    away = registry.register("away")
    found = router.choose_of_kind(
        registry.store,
        "load",
        registry.now,
        failed={module.module_hash},
        fallback=[away.module_hash, fallback.module_hash],
    )
    assert found is not None
    assert found.module_hash == fallback.module_hash
    assert found.because == "fallback: no other module of the kind 'load' is online"


def test_a_fallback_takes_over_from_a_module_that_is_away(
    registry: Registry, router: Router
) -> None:
    registry.enrol()
    first, second = registry.register("first"), registry.connect(registry.register("second"))
    hashes = [first.module_hash, second.module_hash]
    choice = router.choose_in_order(registry.store, hashes, registry.now)
    assert choice is not None
    assert choice.module_hash == second.module_hash
    assert choice.because == "fallback of 'first', which is offline"


def test_an_unknown_module_is_not_chosen(registry: Registry, router: Router) -> None:
    assert router.choose_in_order(registry.store, ["0" * 64], registry.now) is None
