"""Which module a caller means."""

from shared.domain.ids import ModuleHash
from shared.domain.module import Module
from shared.errors import Conflict, NotFound
from shared.store import Store


def find_module(
    store: Store, *, module_id: int | None = None, module_hash: ModuleHash | None = None
) -> Module:
    """Return the module with this hash, else with this number; raises NotFound."""
    if module_hash is not None:
        module = store.modules.get(module_hash)
        if module is None:
            raise NotFound(f"No module has the hash {module_hash[:80]!r}.")
        return module
    module = store.modules.get_by_module_id(module_id) if module_id is not None else None
    if module is None:
        raise NotFound(f"No module has the number {module_id}.")
    return module


def find_hash(store: Store, prefix: str) -> ModuleHash:
    """Return the one hash that starts with this; raises NotFound, or Conflict that lists them.

    Operators see the beginnings of hashes, and do not type 64 characters.
    """
    found = store.modules.starting_with(prefix)
    if not found:
        raise NotFound(f"No module has a hash that starts with {prefix}.")
    if len(found) > 1:
        candidates = "\n".join(f"  {key}  {name}" for key, name in sorted(found.items()))
        raise Conflict(f"More than one module has a hash that starts with {prefix}:\n{candidates}")
    return next(iter(found))


def find_by_prefix(store: Store, prefix: str) -> Module:
    """Return the one module whose hash starts with this; raises as find_hash does."""
    return find_module(store, module_hash=find_hash(store, prefix))
