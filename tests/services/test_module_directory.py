"""The names in memory: what is new is seen, what is deleted is forgotten, little is read."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.services.module_directory import (
    LOOK_SECONDS,
    RELOAD_SECONDS,
    SEARCH_AGAIN_SECONDS,
    ModuleDirectory,
)
from tests.support.builders import make_module
from tests.support.registry import Registry
from tests.support.steady_clock import Clock
from tests.support.tampering import remove_module


@pytest.fixture
def directory(clock: Clock) -> ModuleDirectory:
    return ModuleDirectory(clock)


def names(directory: ModuleDirectory, registry: Registry) -> list[str]:
    return sorted(entry.name for entry in directory.all(registry.store))


def test_modules_are_found_by_name_and_number(
    directory: ModuleDirectory, registry: Registry
) -> None:
    module = registry.register("load", mission_kind="day", tags=("pilot",))
    (entry,) = directory.named(registry.store, "load")
    assert directory.numbered(registry.store, module.module_id) == entry
    assert (entry.module_hash, entry.mission_kind, entry.tags) == (
        module.module_hash,
        "day",
        ("pilot",),
    )


def test_a_new_module_is_seen_at_the_next_look(
    directory: ModuleDirectory, registry: Registry, clock: Clock
) -> None:
    assert names(directory, registry) == []
    registry.register("load")
    assert names(directory, registry) == []
    clock.seconds += LOOK_SECONDS
    assert names(directory, registry) == ["load"]


def test_a_search_sees_a_new_module_at_once(directory: ModuleDirectory, registry: Registry) -> None:
    assert directory.named(registry.store, "load") == []
    registry.register("load")
    assert directory.search_again(registry.store)
    assert [entry.name for entry in directory.named(registry.store, "load")] == ["load"]
    assert not directory.search_again(registry.store)


def test_a_registration_that_is_overtaken_by_a_later_one_is_seen(
    directory: ModuleDirectory, registry: Registry
) -> None:
    slow = make_module(name="slow", module_hash="a" * 64, module_id=1)
    handed_out = registry.store.counters.hand_out([slow.module_hash], registry.now)
    registry.register("fast")
    assert names(directory, registry) == ["fast"]
    registry.store.modules.insert([slow])
    registry.store.counters.finish([handed_out.handout])
    assert directory.search_again(registry.store)
    assert names(directory, registry) == ["fast", "slow"]


def test_an_imported_module_with_an_old_number_is_found(
    directory: ModuleDirectory, registry: Registry, clock: Clock
) -> None:
    registry.register("first")
    names(directory, registry)
    registry.store.modules.insert([make_module(name="imported", module_id=0)])
    assert not directory.search_again(registry.store)
    clock.seconds += SEARCH_AGAIN_SECONDS + 1
    assert directory.search_again(registry.store)
    assert names(directory, registry) == ["first", "imported"]


def test_deleted_modules_are_forgotten_within_a_minute(
    directory: ModuleDirectory, registry: Registry, clock: Clock
) -> None:
    module = registry.register("load")
    names(directory, registry)
    remove_module(registry.store, module.module_hash)
    clock.seconds += RELOAD_SECONDS
    assert names(directory, registry) == []


def test_a_deleted_module_can_be_forgotten_at_once(
    directory: ModuleDirectory, registry: Registry
) -> None:
    module = registry.register("load")
    assert names(directory, registry) == ["load"]
    directory.forget(module.module_hash)
    assert directory.named(registry.store, "load") == []
    assert directory.numbered(registry.store, module.module_id) is None


def test_only_new_modules_are_read(
    directory: ModuleDirectory,
    registry: Registry,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.register("first")
    names(directory, registry)
    read = []
    entries = registry.store.modules.entries
    monkeypatch.setattr(
        registry.store.modules,
        "entries",
        lambda *, after: read.append(after) or entries(after=after),
    )
    clock.seconds += LOOK_SECONDS
    names(directory, registry)
    assert read == []
    registry.register("second")
    clock.seconds += LOOK_SECONDS
    assert names(directory, registry) == ["first", "second"]
    assert read == [1]


def test_threads_that_ask_first_all_get_an_answer(
    directory: ModuleDirectory, registry: Registry
) -> None:
    registry.register("load")
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: names(directory, registry), range(16)))
    assert found == [["load"]] * 16
