"""The newest success of each module: found at once, kept, and never an old one."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.ids import WorkflowId
from shared.domain.module import Module
from shared.domain.result import ResultStatus
from shared.errors import NotFound
from shared.services.latest_results import RELOAD_SECONDS, LatestResults, Question, read_results
from shared.services.module_directory import LOOK_SECONDS, ModuleDirectory
from shared.store import Store
from tests.support.builders import make_result, make_step, make_workflow
from tests.support.registry import Registry
from tests.support.steady_clock import Clock
from tests.support.tampering import remove_module

LOAD = Question(mission_kind="load")


@pytest.fixture
def latest(clock: Clock) -> LatestResults:
    return LatestResults(ModuleDirectory(clock), clock)


def insert(store: Store, module: Module, message_id: str, at: datetime, **fields: Any) -> None:
    values = {"module_hash": module.module_hash, "mission_kind": module.mission_kind} | fields
    store.results.insert([make_result(message_id=message_id, at=at, **values)])


def test_the_newest_success_of_each_module_counts(
    registry: Registry, latest: LatestResults
) -> None:
    now, store = registry.now, registry.store
    north, south = (registry.register(name, mission_kind="load") for name in ("north", "south"))
    price = registry.register("price", mission_kind="price")
    insert(store, south, "s1", now - timedelta(days=90))
    insert(store, north, "n1", now - timedelta(hours=2))
    insert(store, north, "n2", now - timedelta(hours=1))
    insert(store, north, "n3", now, status=ResultStatus.FAILURE)
    insert(store, price, "p1", now)
    seen = read_results(store, latest.find(store, LOAD, now))
    assert [one.result.message_id for one in seen] == ["n2", "s1"]
    assert [one.module.name for one in seen if one.module] == ["north", "south"]
    assert seen[0].result.content == '{"values":[1,2,3]}'


def test_a_newer_success_is_seen_at_once(registry: Registry, latest: LatestResults) -> None:
    now, store = registry.now, registry.store
    module = registry.register(mission_kind="load")
    assert latest.find(store, LOAD, now) == []
    insert(store, module, "m1", now - timedelta(seconds=5))  # by the clock of another machine
    assert latest.find(store, LOAD, now) == ["m1"]
    insert(store, module, "m2", now + timedelta(seconds=1))
    assert latest.find(store, LOAD, now + timedelta(seconds=2)) == ["m2"]
    insert(store, module, "m0", now - timedelta(seconds=30))
    assert latest.find(store, LOAD, now + timedelta(seconds=3)) == ["m2"]


def test_what_a_cut_off_node_stores_later_is_found_in_the_end(
    registry: Registry, latest: LatestResults, clock: Clock
) -> None:
    now, store = registry.now, registry.store
    module = registry.register(mission_kind="load")
    assert latest.find(store, LOAD, now) == []
    insert(store, module, "m1", now - timedelta(minutes=10))
    assert latest.find(store, LOAD, now) == []
    clock.seconds += RELOAD_SECONDS
    assert latest.find(store, LOAD, now) == ["m1"]


def test_a_module_that_is_new_brings_what_it_said(
    registry: Registry, latest: LatestResults, clock: Clock
) -> None:
    now, store = registry.now, registry.store
    assert latest.find(store, LOAD, now) == []
    module = registry.register(mission_kind="load")
    insert(store, module, "m1", now - timedelta(days=3))
    clock.seconds += LOOK_SECONDS
    assert latest.find(store, LOAD, now) == ["m1"]


def test_only_what_is_new_is_read(
    registry: Registry, latest: LatestResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, store = registry.now, registry.store
    insert(store, registry.register(mission_kind="load"), "m1", now - timedelta(days=3))
    assert latest.find(store, LOAD, now) == ["m1"]
    monkeypatch.setattr(store.results, "newest", None)
    assert latest.find(store, LOAD, now) == ["m1"]


def test_a_deleted_module_is_left_out(registry: Registry, clock: Clock) -> None:
    now, store = registry.now, registry.store
    directory = ModuleDirectory(clock)
    latest = LatestResults(directory, clock)
    module = registry.register(mission_kind="load")
    insert(store, module, "m1", now)
    assert latest.find(store, LOAD, now) == ["m1"]
    remove_module(store, module.module_hash)
    directory.forget(module.module_hash)
    assert latest.find(store, LOAD, now) == []


def test_a_workflow_knows_its_modules(registry: Registry, latest: LatestResults) -> None:
    now, store = registry.now, registry.store
    named, of_kind, other = (
        registry.register(name, mission_kind=kind)
        for name, kind in (("named", ""), ("chosen", "load"), ("other", ""))
    )
    steps = (
        make_step(module_hash=named.module_hash),
        make_step(name="second", module_hash=None, mission_kind="load"),
    )
    store.workflows.insert(make_workflow(steps=steps))
    for module in (named, of_kind, other):
        insert(store, module, f"{module.name}-1", now - timedelta(hours=1), workflow_id=1)
        insert(store, module, f"{module.name}-2", now, workflow_id=2)
    question = Question(workflow_id=WorkflowId(1))
    assert sorted(latest.find(store, question, now)) == ["chosen-1", "named-1"]
    assert latest.find(store, Question(mission_kind="load", workflow_id=WorkflowId(2)), now) == [
        "chosen-2"
    ]
    with pytest.raises(NotFound):
        latest.find(store, Question(workflow_id=WorkflowId(9)), now)


def test_one_module(registry: Registry, latest: LatestResults) -> None:
    module = registry.register()
    insert(registry.store, module, "m1", registry.now)
    question = Question(module_hash=module.module_hash)
    assert latest.find(registry.store, question, registry.now) == ["m1"]
