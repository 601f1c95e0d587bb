"""Registers modules for all threads of a process: those that come at the same time go together."""

from collections.abc import Sequence

from api.batched_calls import BatchedCalls
from api.circuit_breaker import CALL_TIMEOUT_MS, Database
from shared.clock import utc_now
from shared.domain.ids import ModuleHash
from shared.domain.module import Module, Registration
from shared.services.registration import Registered, create_modules, register_module
from shared.store import Store, batch_timeout


class Registrar:
    """One for each process; every call for a batch is made by a thread that was lent the store."""

    def __init__(self, database: Database, store: Store) -> None:
        self._database = database
        self._store = store
        self._finding = BatchedCalls(self._find)
        self._creating = BatchedCalls(self._create)

    def register(self, registration: Registration) -> Registered:
        """Register a module, for the first time or again; raises DatabaseUnavailable."""
        with self._database.use() as store:
            return register_module(
                store,
                registration,
                utc_now(),
                find=self._finding.call,
                create=self._creating.call,
            )

    def _find(self, hashes: Sequence[ModuleHash]) -> list[Module | None]:
        with batch_timeout(CALL_TIMEOUT_MS / 1000):
            found = {module.module_hash: module for module in self._store.modules.of_hashes(hashes)}
        return [found.get(module_hash) for module_hash in hashes]

    def _create(self, registrations: Sequence[Registration]) -> list[Registered | None]:
        # For the whole batch: those that wait for the next one shall not wait longer, either.
        with batch_timeout(CALL_TIMEOUT_MS / 1000):
            return create_modules(self._store, registrations, utc_now())
