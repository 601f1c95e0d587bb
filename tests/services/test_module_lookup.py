"""Which module a caller means: by hash, by number, or by the beginning of a hash."""

import pytest

from shared.errors import Conflict, NotFound
from shared.services.event_history import read_history
from shared.services.module_lookup import find_by_prefix, find_hash, find_module
from tests.support.registry import Registry
from tests.support.tampering import remove_module


def test_a_module_is_found_by_its_hash_or_its_number(registry: Registry) -> None:
    module = registry.register()
    assert find_module(registry.store, module_hash=module.module_hash) == module
    assert find_module(registry.store, module_id=module.module_id) == module


def test_a_hash_is_asked_before_a_number(registry: Registry) -> None:
    first, second = registry.register("first"), registry.register("second")
    found = find_module(registry.store, module_hash=second.module_hash, module_id=first.module_id)
    assert found == second


@pytest.mark.parametrize("asked", [{"module_hash": "0" * 64}, {"module_id": 7}, {}])
def test_nobody_is_not_found(registry: Registry, asked: dict) -> None:
    with pytest.raises(NotFound):
        find_module(registry.store, **asked)


def test_the_beginning_of_a_hash_is_enough(registry: Registry) -> None:
    module = registry.register()
    assert find_hash(registry.store, module.module_hash[:8]) == module.module_hash
    assert find_by_prefix(registry.store, module.module_hash[:8]) == module


def test_two_that_start_alike_are_both_named(registry: Registry) -> None:
    modules = [registry.register(f"module-{number}") for number in range(17)]
    firsts = [module.module_hash[0] for module in modules]
    shared = next(first for first in firsts if firsts.count(first) > 1)
    with pytest.raises(Conflict) as refused:
        find_hash(registry.store, shared)
    for module in modules:
        assert (module.module_hash in refused.value.message) == (module.module_hash[0] == shared)


def test_deleted_modules_whose_hashes_start_alike_are_named(registry: Registry) -> None:
    for number in range(17):
        module = registry.register(f"module-{number}")
        remove_module(registry.store, module.module_hash)
    hashes = [event.subject.id for event in registry.store.events.find()]
    firsts = [module_hash[0] for module_hash in hashes]
    shared = next(first for first in firsts if firsts.count(first) > 1)
    with pytest.raises(Conflict, match="More than one hash starts with"):
        read_history(registry.store, module=shared)
