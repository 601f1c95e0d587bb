"""The modules collection: guards and their counts."""

from shared.store import Store
from tests.builders import make_module


def test_a_module_is_inserted_once(store: Store) -> None:
    module = make_module()
    assert store.modules.insert(module)
    assert not store.modules.insert(module)
    assert store.modules.get(module.module_hash) == module
