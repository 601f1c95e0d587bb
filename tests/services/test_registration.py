"""A module registers, for the first time or again, alone or with many at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.module import Module
from shared.errors import Conflict
from shared.services.operating import delete_module
from shared.services.registration import Registered, register_module
from shared.store import Store
from tests.builders import make_registration
from tests.fleet import Fleet


def register(fleet: Fleet, **overrides: Any) -> Registered:
    return register_module(fleet.store, make_registration(**overrides), fleet.now)


def test_a_new_module_gets_a_number_a_pulse_and_an_event(fleet: Fleet) -> None:
    registered = register(fleet, mission_kind="load", tags=("pilot",), priority=5)
    module = registered.module
    assert registered.is_new
    assert module == fleet.store.modules.get(module.module_hash)
    assert (module.module_id, module.revision, module.epoch) == (1, 1, 0)
    assert (module.mission_kind, module.tags, module.priority) == ("load", ("pilot",), 5)
    assert fleet.store.pulses.get(module.module_hash) == fleet.now
    assert fleet.happened(module) == [("registered", None)]


def test_registering_again_gives_the_same_answer_and_changes_nothing(fleet: Fleet) -> None:
    first = register(fleet)
    fleet.now += timedelta(hours=1)
    changes_before, _ = fleet.store.counters.read()
    again = register(fleet)
    assert (again.is_new, again.module) == (False, first.module)
    assert fleet.happened(first.module) == [("registered", None)]
    assert fleet.store.counters.read()[0] == changes_before


def test_names_are_kept_normalised(fleet: Fleet) -> None:
    module = register(fleet, name="  cafe\u0301 ").module
    assert module.name == "caf\u00e9"
    assert not register(fleet, name="caf\u00e9").is_new


def test_another_kind_or_model_is_another_module(fleet: Fleet) -> None:
    kinds = [{}, {"mission_kind": "load"}, {"model_hash": "v2"}]
    modules = [register(fleet, **kind).module for kind in kinds]
    assert [module.module_id for module in modules] == [1, 2, 3]


def test_what_is_said_anew_raises_the_revision_and_leaves_the_difference(fleet: Fleet) -> None:
    register(fleet, description="Old")
    fleet.now += timedelta(hours=1)
    again = register(fleet, description="New", data_requirement=[1])
    module = again.module
    assert not again.is_new
    assert module == fleet.store.modules.get(module.module_hash)
    assert (module.revision, module.updated_at) == (2, fleet.now)
    event = fleet.store.events.find(module_hash=module.module_hash)[-1]
    assert event.detail == {
        "revision": 2,
        "difference": {
            "description": {"from": "Old", "to": "New"},
            "data_requirement": {"from": None, "to": [1]},
        },
    }


def test_what_is_not_said_again_stays(fleet: Fleet) -> None:
    register(fleet, description="Kept", data_requirement=[1])
    module = register(fleet, description=None, output_data=[2]).module
    assert (module.description, module.data_requirement) == ("Kept", [1])
    assert module.output_data == [2]


def test_the_operators_fields_survive_a_registration(fleet: Fleet) -> None:
    module = register(fleet, tags=("first",), priority=5).module
    fleet.store.modules.set_enabled(module.module_hash, fleet.now, enabled=False)
    again = register(fleet, tags=("second",), priority=9, description="New").module
    stored = fleet.read(module)
    assert (stored.tags, stored.priority, stored.enabled) == (("first",), 5, False)
    assert again == stored


def test_a_session_survives_a_registration(fleet: Fleet) -> None:
    fleet.enrol()
    connected = fleet.connect(fleet.register())
    register(fleet, description="New")
    stored = fleet.read(connected)
    assert (stored.session, stored.epoch) == (connected.session, connected.epoch)


def test_many_who_register_one_module_at_once_get_one_answer(fleet: Fleet) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda _: register(fleet), range(16)))
    assert len(fleet.store.modules.all()) == 1
    assert len({answer.module.module_id for answer in answers}) == 1
    assert [answer.is_new for answer in answers].count(True) == 1


def test_many_who_register_different_modules_get_different_numbers(fleet: Fleet) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda n: register(fleet, name=f"module-{n}"), range(40)))
    assert {answer.module.module_id for answer in answers} == set(range(1, 41))


def test_of_two_who_change_a_module_at_once_none_is_lost(fleet: Fleet) -> None:
    register(fleet, description="Old")
    said = [{"description": "New"}, {"description": None, "output_data": [1]}]
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda overrides: register(fleet, **overrides), said))
    (module,) = fleet.store.modules.all()
    assert (module.description, module.output_data, module.revision) == ("New", [1], 3)


def test_who_loses_every_race_is_told_to_try_again(fleet: Fleet) -> None:
    register(fleet, description="Old")
    fleet.store.modules.change = lambda *_: False
    with pytest.raises(Conflict, match="try again"):
        register(fleet, description="New")


def test_a_deleted_module_may_register_again_as_a_new_one(fleet: Fleet) -> None:
    first = register(fleet).module
    delete_module(fleet.store, first.module_hash, fleet.now)
    again = register(fleet)
    assert again.is_new
    assert again.module.module_id == 2


def test_a_new_life_does_not_repeat_the_epochs_of_the_old_one(fleet: Fleet) -> None:
    fleet.enrol()
    old: Module = fleet.connect(fleet.connect(fleet.register()))
    delete_module(fleet.store, old.module_hash, fleet.now)
    assert register(fleet).module.epoch >= old.epoch


def test_every_change_is_told_to_the_readers_of_listings(fleet: Fleet) -> None:
    def changes(store: Store) -> int:
        return store.counters.read()[0]

    told = [changes(fleet.store)]
    for description in ("Old", "New"):
        register(fleet, description=description)
        told.append(changes(fleet.store))
    assert told == sorted(set(told))
