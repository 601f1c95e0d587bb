"""A module is found by the beginning of its hash: nobody types 64 characters."""

from shared.domain.module import Module, ModuleHash
from shared.errors import Conflict, NotFound
from shared.store import Store


def find_hash(store: Store, prefix: str) -> ModuleHash:
    """Return the one hash that starts with this; raises NotFound, or Conflict that lists them."""
    found = store.modules.starting_with(prefix)
    if not found:
        raise NotFound(f"No module has a hash that starts with {prefix}.")
    if len(found) > 1:
        candidates = "\n".join(f"  {key}  {name}" for key, name in sorted(found.items()))
        raise Conflict(f"More than one module has a hash that starts with {prefix}:\n{candidates}")
    return next(iter(found))


def find_module(store: Store, prefix: str) -> Module:
    """Return the one module whose hash starts with this; raises as find_hash does."""
    module = store.modules.get(find_hash(store, prefix))
    if module is None:
        raise NotFound(f"The module whose hash starts with {prefix} was just deleted.")
    return module
