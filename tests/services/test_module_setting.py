"""Operators set priority and tags."""

import pytest

from shared.errors import InvalidData, NotFound
from shared.services.module_setting import set_module
from shared.services.registration import register_module
from tests.support.builders import ACTOR, make_registration
from tests.support.registry import Registry


def test_priority_and_tags_are_set_and_told(registry: Registry) -> None:
    module = registry.register(tags=("north", "old"))
    before, _ = registry.store.counters.read()
    set_module(
        registry.store,
        module.module_hash,
        registry.now,
        ACTOR,
        priority=7,
        add_tags=("pilot",),
        remove_tags=("old",),
    )
    stored = registry.read(module)
    assert (stored.priority, stored.tags) == (7, ("north", "pilot"))
    (event,) = [e for e in registry.store.events.find() if e.what == "changed"]
    assert (event.reason, event.actor) == ("operator", ACTOR)
    assert event.detail["difference"] == {
        "priority": {"from": 100, "to": 7},
        "tags": {"from": ["north", "old"], "to": ["north", "pilot"]},
    }
    after, _ = registry.store.counters.read()
    assert after > before


def test_what_is_so_already_is_no_event(registry: Registry) -> None:
    module = registry.register(tags=("pilot",))
    history = registry.happened(module)
    set_module(
        registry.store, module.module_hash, registry.now, ACTOR, priority=100, add_tags=("pilot",)
    )
    assert registry.happened(module) == history


def test_a_registration_leaves_what_an_operator_set(registry: Registry) -> None:
    module = registry.register()
    set_module(registry.store, module.module_hash, registry.now, ACTOR, add_tags=("pilot",))
    again = make_registration(description="new", tags=("other",), priority=5)
    register_module(registry.store, again, registry.now)
    assert (registry.read(module).tags, registry.read(module).priority) == (("pilot",), 100)


def test_two_operators_at_once_lose_nothing(registry: Registry) -> None:
    module = registry.register()
    store = registry.store
    write = store.modules.set_decided

    def after_another(old, new):
        store.modules.set_decided = write
        set_module(store, module.module_hash, registry.now, ACTOR, add_tags=("theirs",))
        return write(old, new)

    store.modules.set_decided = after_another
    set_module(store, module.module_hash, registry.now, ACTOR, add_tags=("ours",))
    assert set(registry.read(module).tags) == {"theirs", "ours"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"priority": -1}, "from 0 to"),
        ({"add_tags": ("  ",)}, "must not be empty"),
        ({"add_tags": ("x" * 51,)}, "longer than 50"),
        ({"add_tags": ("a\x1bb",)}, "control characters"),
        ({"add_tags": tuple(f"t{n}" for n in range(21))}, "20 are allowed"),
        ({"remove_tags": ("pilot",)}, "has no tag 'pilot'; it has: north"),
    ],
)
def test_what_cannot_be_set_is_refused_in_a_sentence(
    registry: Registry, change: dict[str, object], problem: str
) -> None:
    module = registry.register(tags=("north",))
    with pytest.raises(InvalidData, match=problem):
        set_module(registry.store, module.module_hash, registry.now, ACTOR, **change)
    assert registry.read(module) == module


def test_an_unknown_module_cannot_be_set(registry: Registry) -> None:
    with pytest.raises(NotFound):
        set_module(registry.store, "0" * 64, registry.now, ACTOR, priority=1)
