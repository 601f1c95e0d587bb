"""Heartbeats are recorded for modules that exist, whenever they are deleted."""

from collections.abc import Mapping
from typing import Any

from shared.services.heartbeat_recording import record_heartbeats
from shared.services.module_admin import delete_module
from tests.support.builders import ACTOR
from tests.support.registry import Registry


def delete(registry: Registry, module_hash: str) -> None:
    delete_module(registry.store, module_hash, registry.now, ACTOR)


def test_the_first_heartbeat_of_a_module_is_recorded(registry: Registry) -> None:
    module = registry.register()
    record_heartbeats(registry.store, {registry.now: [module.module_hash]})
    assert registry.store.heartbeats.get(module.module_hash).heartbeat_at == registry.now


def test_the_last_heartbeat_of_a_deleted_module_leaves_nothing(registry: Registry) -> None:
    registry.enrol()
    deleted = registry.connect(registry.register())
    charlie = registry.connect(registry.register("charlie"))
    delete(registry, deleted.module_hash)
    record_heartbeats(registry.store, {registry.now: [deleted.module_hash, charlie.module_hash]})
    assert registry.store.heartbeats.get(deleted.module_hash).heartbeat_at is None
    assert registry.store.heartbeats.get(charlie.module_hash).heartbeat_at == registry.now


def test_a_module_that_is_deleted_during_the_flush_leaves_nothing(registry: Registry) -> None:
    module = registry.register()
    record = registry.store.heartbeats.record

    def delete_then_record(heartbeats: Mapping[Any, Any]) -> list[Any]:
        delete(registry, module.module_hash)
        return record(heartbeats)

    registry.store.heartbeats.record = delete_then_record
    record_heartbeats(registry.store, {registry.now: [module.module_hash]})
    assert registry.store.heartbeats.get(module.module_hash).heartbeat_at is None


def test_a_module_that_is_deleted_just_after_the_look_takes_its_heartbeat_along(
    registry: Registry,
) -> None:
    module = registry.register()
    record_heartbeats(registry.store, {registry.now: [module.module_hash]})
    delete(registry, module.module_hash)
    assert registry.store.heartbeats.get(module.module_hash).heartbeat_at is None
