"""Sends messages for all threads of a process: those that come at the same time go together."""

from collections.abc import Sequence

from api.batched_calls import BatchedCalls
from api.circuit_breaker import CALL_TIMEOUT_MS, CircuitBreaker
from shared.clock import utc_now
from shared.domain.draft import Draft
from shared.errors import PlatformError
from shared.services.sending import MessageSender, Sent
from shared.store import Store, batch_timeout


class Sender:
    """One for each process; every call for a batch is made by a thread that was lent the store."""

    def __init__(self, breaker: CircuitBreaker, store: Store, sender: MessageSender) -> None:
        self._breaker = breaker
        self._store = store
        self._sender = sender
        self._sending = BatchedCalls(self._send)

    def send(self, draft: Draft) -> Sent:
        """Send a message; raises what the services refuse, and DatabaseUnavailable."""
        with self._breaker.use():
            outcome = self._sending.call(draft)
            if isinstance(outcome, PlatformError):
                raise outcome
            return outcome

    def _send(self, drafts: Sequence[Draft]) -> list[Sent | PlatformError]:
        # For the whole batch: those that wait for the next one shall not wait longer, either.
        with batch_timeout(CALL_TIMEOUT_MS / 1000):
            return self._sender.send(self._store, drafts, utc_now())
