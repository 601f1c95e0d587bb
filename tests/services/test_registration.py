"""A module registers, for the first time or again, alone or with many at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from shared.domain.event import module_subject
from shared.domain.module import Module
from shared.errors import Conflict
from shared.services.module_admin import delete_module
from shared.services.registration import (
    Registered,
    create_modules,
    finish_abandoned,
    register_module,
)
from shared.store import Store
from tests.support.builders import ACTOR, make_registration
from tests.support.registry import Registry


def register(registry: Registry, **overrides: Any) -> Registered:
    return register_module(registry.store, make_registration(**overrides), registry.now)


def test_a_new_module_gets_a_number_and_an_event(registry: Registry) -> None:
    registered = register(registry, mission_kind="load", tags=("pilot",), priority=5)
    module = registered.module
    assert registered.is_new
    assert module == registry.store.modules.get(module.module_hash)
    assert (module.module_id, module.revision, module.epoch) == (1, 1, 0)
    assert (module.mission_kind, module.tags, module.priority) == ("load", ("pilot",), 5)
    assert registry.store.heartbeats.get(module.module_hash).heartbeat_at is None
    assert registry.happened(module) == [("registered", None)]


def test_registering_again_gives_the_same_answer_and_changes_nothing(registry: Registry) -> None:
    first = register(registry)
    registry.now += timedelta(hours=1)
    changes_before, _ = registry.store.counters.read()
    again = register(registry)
    assert (again.is_new, again.module) == (False, first.module)
    assert registry.happened(first.module) == [("registered", None)]
    assert registry.store.counters.read()[0] == changes_before


def test_names_are_kept_normalised(registry: Registry) -> None:
    module = register(registry, name="  cafe\u0301 ").module
    assert module.name == "caf\u00e9"
    assert not register(registry, name="caf\u00e9").is_new


def test_another_kind_or_model_is_another_module(registry: Registry) -> None:
    kinds = [{}, {"mission_kind": "load"}, {"model_hash": "v2"}]
    modules = [register(registry, **kind).module for kind in kinds]
    assert [module.module_id for module in modules] == [1, 2, 3]


def test_what_is_said_anew_raises_the_revision_and_leaves_the_difference(
    registry: Registry,
) -> None:
    register(registry, description="Old")
    registry.now += timedelta(hours=1)
    again = register(registry, description="New", data_requirement=[1])
    module = again.module
    assert not again.is_new
    assert module == registry.store.modules.get(module.module_hash)
    assert (module.revision, module.updated_at) == (2, registry.now)
    event = registry.store.events.find(subject=module_subject(module.module_hash))[-1]
    assert event.detail == {
        "revision": 2,
        "difference": {
            "description": {"from": "Old", "to": "New"},
            "data_requirement": {"from": None, "to": [1]},
        },
    }


def test_what_is_not_said_again_stays(registry: Registry) -> None:
    register(registry, description="Kept", data_requirement=[1])
    module = register(registry, description=None, output_data=[2]).module
    assert (module.description, module.data_requirement) == ("Kept", [1])
    assert module.output_data == [2]


def test_the_operators_fields_survive_a_registration(registry: Registry) -> None:
    module = register(registry, tags=("first",), priority=5).module
    registry.store.modules.set_enabled(module.module_hash, registry.now, enabled=False)
    again = register(registry, tags=("second",), priority=9, description="New").module
    stored = registry.read(module)
    assert (stored.tags, stored.priority, stored.enabled) == (("first",), 5, False)
    assert again == stored


def test_a_session_survives_a_registration(registry: Registry) -> None:
    registry.enrol()
    connected = registry.connect(registry.register())
    register(registry, description="New")
    stored = registry.read(connected)
    assert (stored.session, stored.epoch) == (connected.session, connected.epoch)


def test_processes_that_register_one_module_at_once_get_one_answer(registry: Registry) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda _: register(registry), range(16)))
    assert len(list(registry.store.modules.stream())) == 1
    assert len({answer.module.module_id for answer in answers}) == 1
    assert [answer.is_new for answer in answers].count(True) == 1


def test_modules_that_register_at_once_get_different_numbers(registry: Registry) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda n: register(registry, name=f"module-{n}"), range(40)))
    assert {answer.module.module_id for answer in answers} == set(range(1, 41))


def test_of_two_changes_at_once_none_is_lost(registry: Registry) -> None:
    register(registry, description="Old")
    said = [{"description": "New"}, {"description": None, "output_data": [1]}]
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda overrides: register(registry, **overrides), said))
    (module,) = registry.store.modules.stream()
    assert (module.description, module.output_data, module.revision) == ("New", [1], 3)


def test_a_registration_that_loses_every_race_is_told_to_try_again(registry: Registry) -> None:
    register(registry, description="Old")
    registry.store.modules.change = lambda *_: False
    with pytest.raises(Conflict, match="try again"):
        register(registry, description="New")


def test_a_deleted_module_may_register_again_as_a_new_one(registry: Registry) -> None:
    first = register(registry).module
    delete_module(registry.store, first.module_hash, registry.now, ACTOR)
    again = register(registry)
    assert again.is_new
    assert again.module.module_id == 2


def test_a_new_life_does_not_repeat_the_epochs_of_the_old_one(registry: Registry) -> None:
    registry.enrol()
    old: Module = registry.connect(registry.connect(registry.register()))
    delete_module(registry.store, old.module_hash, registry.now, ACTOR)
    assert register(registry).module.epoch >= old.epoch


def test_every_change_is_told_to_the_readers_of_listings(registry: Registry) -> None:
    def changes(store: Store) -> int:
        return store.counters.read()[0]

    told = [changes(registry.store)]
    for description in ("Old", "New"):
        register(registry, description=description)
        told.append(changes(registry.store))
    assert told == sorted(set(told))


def create(registry: Registry, *names: str) -> list[Registered | None]:
    return create_modules(
        registry.store, [make_registration(name=name) for name in names], registry.now
    )


def test_modules_that_register_together_are_numbered_in_their_order(registry: Registry) -> None:
    created = [registered.module for registered in create(registry, "c", "a", "b") if registered]
    assert [(module.name, module.module_id) for module in created] == [("c", 1), ("a", 2), ("b", 3)]
    for module in created:
        assert registry.read(module) == module
        assert registry.happened(module) == [("registered", None)]
    assert registry.store.counters.unfinished() == []


def test_of_those_that_register_together_each_hash_is_created_once(registry: Registry) -> None:
    register(registry, name="known")
    known, first, second = create(registry, "known", "new", "new")
    assert first is not None
    assert first.is_new
    assert (known, second) == (None, None)
    assert sorted(m.name for m in registry.store.modules.stream()) == ["known", "new"]


class Killed(BaseException):
    """What ends a process between two of its calls."""


def die_at(
    patch: pytest.MonkeyPatch,
    registry: Registry,
    collection: str,
    call: str,
    *,
    is_done: bool = False,
) -> None:
    """Kill the process just before this call, or just after it."""
    owner = getattr(registry.store, collection)
    real = getattr(owner, call)

    def die(*arguments: Any) -> None:
        if is_done:
            real(*arguments)
        raise Killed

    patch.setattr(owner, call, die)


CALLS = [
    ("counters", "hand_out"),
    ("modules", "insert"),
    ("events", "record"),
    ("counters", "finish"),
]


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("collection", "call"), CALLS)
def test_a_kill_leaves_each_module_registered_or_unknown(
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    collection: str,
    call: str,
    is_done: bool,
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        die_at(patch, registry, collection, call, is_done=is_done)
        create(registry, "a", "b")
    left = {module.name for module in registry.store.modules.stream()}
    assert left in (set(), {"a", "b"})
    finish_abandoned(registry.store, registry.now + timedelta(seconds=61))
    modules = [register(registry, name=name).module for name in ("a", "b")]
    assert len({module.module_id for module in modules}) == 2
    for module in modules:
        assert registry.happened(module) == [("registered", None)]
    assert registry.store.counters.unfinished() == []


CHANGING = [
    ("counters", "note_unfinished"),
    ("modules", "change"),
    ("events", "record"),
    ("modules", "forget_change"),
    ("counters", "finish"),
]


@pytest.mark.parametrize("comes_again", [False, True], ids=["housekeeping", "comes again"])
@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("collection", "call"), CHANGING)
def test_a_kill_leaves_no_change_without_its_event(
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    collection: str,
    call: str,
    is_done: bool,
    comes_again: bool,
) -> None:
    module = register(registry, description="Old").module
    with monkeypatch.context() as patch, pytest.raises(Killed):
        die_at(patch, registry, collection, call, is_done=is_done)
        register(registry, description="New")
    if comes_again:
        registry.now += timedelta(seconds=5)
        assert register(registry, description="New").module.revision == 2
    finish_abandoned(registry.store, registry.now + timedelta(seconds=61))
    left = registry.read(module)
    changes = [(what, why) for what, why in registry.happened(module) if what == "changed"]
    assert len(changes) == left.revision - 1
    assert left.unrecorded_change is None
    assert registry.store.counters.unfinished() == []


def test_a_change_that_was_not_recorded_is_told_before_the_next_one(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = register(registry, description="Old").module
    with monkeypatch.context() as patch, pytest.raises(Killed):
        die_at(patch, registry, "events", "record")
        register(registry, description="New")
    registry.now += timedelta(seconds=5)
    register(registry, description="Newer")
    told = registry.store.events.find(subject=module_subject(module.module_hash))[1:]
    assert [event.detail["difference"]["description"] for event in told] == [
        {"from": "Old", "to": "New"},
        {"from": "New", "to": "Newer"},
    ]


def test_housekeeping_finishes_what_a_kill_cut_off(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(registry.store.events, "record", Mock(side_effect=Killed))
        create(registry, "a")
    (module,) = registry.store.modules.stream()
    assert finish_abandoned(registry.store, registry.now + timedelta(seconds=59)) == 0
    assert registry.happened(module) == []
    assert finish_abandoned(registry.store, registry.now + timedelta(seconds=61)) == 1
    (event,) = registry.store.events.find(subject=module_subject(module.module_hash))
    assert (event.what, event.at) == ("registered", module.registered_at)
