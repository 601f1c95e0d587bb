"""Modules that one use case looks at more than once, and reads only once."""

from collections.abc import Iterable

from shared.domain.ids import ModuleHash
from shared.domain.module import Module
from shared.store import Store


class ModuleReads:
    """The modules as they were when they were first asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[ModuleHash, Module] = {}

    def of(self, hashes: Iterable[ModuleHash]) -> dict[ModuleHash, Module]:
        """Return those of these modules that are registered."""
        wanted = set(hashes)
        found = self._store.modules.of_hashes(wanted - self._read.keys())
        self._read |= {module.module_hash: module for module in found}
        return {key: self._read[key] for key in wanted if key in self._read}
