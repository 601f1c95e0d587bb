"""Every module's name, number, kind and tags in memory, for what asks by them many times a second.

Names have no index. A name, a kind and a number never change as long as a module exists, so that
only new modules have to be read: those with higher numbers than all that were read before, less
the numbers that are handed out to registrations still under way. All of them are read again once a
minute, which forgets the deleted ones and finds imported ones; callers read the module they chose.
"""

import threading
import time
from collections.abc import Callable, Iterable

from shared.domain.ids import ModuleHash
from shared.domain.module import ModuleEntry
from shared.store import Store, batch_timeout
from shared.store.counters import Registrations

LOOK_SECONDS = 0.25
RELOAD_SECONDS = 60.0
# How often a name that is not known may have everything read again: an import adds old numbers.
SEARCH_AGAIN_SECONDS = 5.0


class ModuleDirectory:
    """One for each process; any number of threads ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[ModuleHash, ModuleEntry] = {}
        self._by_name: dict[str, dict[ModuleHash, ModuleEntry]] = {}
        self._by_number: dict[int, ModuleEntry] = {}
        self._seen: Registrations | None = None
        self._settled = 0  # no module with this number or a lower one will be registered any more
        self._looked_at = self._loaded_at = float("-inf")

    def named(self, store: Store, name: str) -> list[ModuleEntry]:
        """Return the modules of this name (normalised)."""
        self._look(store, LOOK_SECONDS)
        return list(self._by_name.get(name, {}).values())

    def numbered(self, store: Store, module_id: int) -> ModuleEntry | None:
        """Return the module of this number."""
        self._look(store, LOOK_SECONDS)
        return self._by_number.get(module_id)

    def all(self, store: Store) -> list[ModuleEntry]:
        """Return every module, in no order."""
        self._look(store, LOOK_SECONDS)
        return list(self._entries.values())

    def search_again(self, store: Store) -> bool:
        """Read what is new at once, for what was not found; False when there is nothing new."""
        before = self._entries
        self._look(store, 0.0)
        if self._entries is before and self._loaded_at < self._clock() - SEARCH_AGAIN_SECONDS:
            self._look(store, 0.0, reload=True)
        return self._entries is not before

    def forget(self, module_hash: ModuleHash) -> None:
        """Forget a module that is deleted."""
        with self._lock:
            self._fill(e for e in self._entries.values() if e.module_hash != module_hash)

    def _look(self, store: Store, max_age: float, *, reload: bool = False) -> None:
        """Read new modules; meanwhile other threads are served from what was read before."""
        if not reload and self._clock() < self._looked_at + max_age:
            return
        if not self._lock.acquire(blocking=self._seen is None or max_age == 0.0):
            return
        try:
            now = self._clock()
            with batch_timeout():
                self._read(store, reload=reload or now >= self._loaded_at + RELOAD_SECONDS)
            self._looked_at = self._clock()
        finally:
            self._lock.release()

    def _read(self, store: Store, *, reload: bool) -> None:
        seen = store.counters.registrations()
        if seen == self._seen and not reload:
            return
        new = store.modules.entries(after=0 if reload else self._settled)
        if reload:
            self._fill(new)
            self._loaded_at = self._clock()
        elif new:
            self._fill([*self._entries.values(), *new])
        self._seen = seen
        if seen.are_settled:
            self._settled = seen.handed_out

    def _fill(self, entries: Iterable[ModuleEntry]) -> None:
        """Put new dictionaries in the place of the old ones, which other threads may be reading."""
        known = {entry.module_hash: entry for entry in entries}
        by_name: dict[str, dict[ModuleHash, ModuleEntry]] = {}
        for entry in known.values():
            by_name.setdefault(entry.name, {})[entry.module_hash] = entry
        self._by_number = {entry.module_id: entry for entry in known.values()}
        self._by_name = by_name
        self._entries = known
