"""Registers modules for all threads of a process: those that come at the same time go together."""

import time
from collections.abc import Callable, Sequence

from api.batched_calls import BatchedCalls
from api.circuit_breaker import CALL_TIMEOUT_MS, CircuitBreaker
from shared.clock import utc_now
from shared.domain.ids import ModuleHash
from shared.domain.module import Module, Registration
from shared.errors import Conflict
from shared.services.registration import Registered, create_modules, register_module
from shared.services.registration_quota import RegistrationQuota, refuse, take_place
from shared.store import Store, batch_timeout

# How long a full registry is believed to be full.
FULL_SECONDS = 1.0


class Registrar:
    """One for each process; every call for a batch is made by a thread that was lent the store."""

    def __init__(
        self,
        breaker: CircuitBreaker,
        store: Store,
        quota: RegistrationQuota,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._breaker = breaker
        self._store = store
        self._quota = quota
        self._clock = clock
        self._full_until = 0.0
        self._finding = BatchedCalls(self._find)
        self._creating = BatchedCalls(self._create)

    def register(self, registration: Registration, address: str) -> Registered:
        """Register a module, for the first time or again; a new one must be within the quota.

        Raises DatabaseUnavailable, TooManyRequests and Conflict.
        """
        now = utc_now()
        has_place = False

        def create(new: Registration) -> Registered | None:
            nonlocal has_place
            self._refuse_if_full()
            if not has_place:
                take_place(self._store, self._quota, address, now)
                has_place = True
            return self._creating.call(new)

        with self._breaker.use() as store:
            return register_module(store, registration, now, find=self._finding.call, create=create)

    def _find(self, hashes: Sequence[ModuleHash]) -> list[Module | None]:
        with batch_timeout(CALL_TIMEOUT_MS / 1000):
            found = {module.module_hash: module for module in self._store.modules.of_hashes(hashes)}
        return [found.get(module_hash) for module_hash in hashes]

    def _create(self, registrations: Sequence[Registration]) -> list[Registered | None]:
        self._refuse_if_full()
        # For the whole batch: those that wait for the next one shall not wait longer, either.
        with batch_timeout(CALL_TIMEOUT_MS / 1000):
            try:
                return create_modules(self._store, registrations, utc_now(), self._quota)
            except Conflict:
                # Counting is expensive on the embedded server, and a flood would make it count on and on.
                self._full_until = self._clock() + FULL_SECONDS
                raise

    def _refuse_if_full(self) -> None:
        if self._clock() < self._full_until:
            raise refuse(self._quota)
