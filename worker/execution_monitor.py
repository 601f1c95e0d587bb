"""The execution monitor: executions go on as the results of their messages come."""

import zlib
from collections.abc import Iterable

from shared.domain.execution import Execution, ExecutionStatus
from shared.domain.execution_progress import open_messages
from shared.domain.ids import ExecutionId, MessageId
from shared.services.advancing import advance_executions, begin_waiting
from shared.services.cancelling import cancel_requested
from shared.services.routing import Router
from shared.store import Store, batch_timeout
from worker.signs_of_life import SignsOfLife
from worker.slice_size import SliceSize
from worker.trusted_clock import TrustedClock

LOOK_SECONDS = 0.5
SLICE = 200
# What is another worker's share is looked at as seldom, in case that worker is away.
SHARE_OF_OTHERS = 4


class ExecutionMonitor:
    """Looks at all unfinished executions; those that did not change are not read again."""

    def __init__(
        self, store: Store, clock: TrustedClock, signs: SignsOfLife, router: Router
    ) -> None:
        self._store = store
        self._clock = clock
        self._signs = signs
        self._router = router
        self._executions: dict[ExecutionId, Execution] = {}
        self._sent: set[MessageId] = set()
        self._ticks = 0
        self._size = SliceSize(SLICE)

    def tick(self) -> bool:
        """Bring every execution forward as far as it goes."""
        now = self._clock.judge().likely
        self._read()
        mine = [e for e in self._executions.values() if self._is_mine(e)]
        cancelled = [e for e in mine if e.cancel_requested_by]
        self._keep(filter(None, (cancel_requested(self._store, e, now) for e in cancelled)))
        running = [
            e for e in mine if e.status is ExecutionStatus.RUNNING and not e.cancel_requested_by
        ]
        while running:
            with self._size.trying() as size:
                part, running = running[:size], running[size:]
                self._keep(advance_executions(self._store, part, now, self._sent, self._router))
            self._note_sent(part)
        unfinished = [e for e in self._executions.values() if not e.status.is_final]
        if any(e.status is ExecutionStatus.WAITING for e in unfinished):
            self._keep(begin_waiting(self._store, unfinished, now, self._router))
        self._ticks += 1
        return False

    def _read(self) -> None:
        """Read the unfinished executions that are new or have changed."""
        with batch_timeout():
            revisions = self._store.executions.unfinished()
            known = {i: e for i, e in self._executions.items() if revisions.get(i) == e.revision}
            self._executions = known | self._store.executions.read(revisions.keys() - known.keys())
        self._sent &= {i for e in self._executions.values() for i in open_messages(e)}

    def _is_mine(self, execution: Execution) -> bool:
        share = self._signs.share
        if self._ticks % SHARE_OF_OTHERS == 0:
            return True
        return zlib.crc32(execution.id.encode()) % share.count == share.rank

    def _keep(self, changed: Iterable[Execution]) -> None:
        self._executions.update({execution.id: execution for execution in changed})

    def _note_sent(self, looked_at: Iterable[Execution]) -> None:
        """Remember the messages that exist for certain."""
        current = (self._executions[execution.id] for execution in looked_at)
        self._sent.update(i for execution in current for i in open_messages(execution))
