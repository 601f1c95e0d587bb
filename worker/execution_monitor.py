"""The execution monitor: executions go on as the results of their messages come."""

import zlib
from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import datetime, timedelta

from shared.domain.execution import Execution, ExecutionStatus, StepStatus
from shared.domain.execution_progress import open_messages
from shared.domain.ids import ExecutionId, MessageId
from shared.services.advancing import advance_executions, begin_waiting, find_free
from shared.services.cancelling import cancel_requested
from shared.services.isolation import isolate
from shared.services.routing import Router
from shared.store import Store, batch_timeout
from worker.left_out import LeftOut
from worker.signs_of_life import SignsOfLife
from worker.slice_size import SliceSize
from worker.trusted_clock import TrustedClock

LOOK_SECONDS = 0.5
SLICE = 200
# After this time a message that a worker was to send is sent for it: it may have been killed. While
# this worker itself fires many workflows, more is known to take so long.
SENDING_TIME, LONG_SENDING_TIME = timedelta(seconds=2), timedelta(seconds=8)
# What is due is sent before ends are noted, but not for longer than some seconds.
GIVE_WAY_LOOKS = 6
# What is another worker's share is looked at as seldom, in case that worker is away.
SHARE_OF_OTHERS = 4


class ExecutionMonitor:
    """Looks at all unfinished executions; those that did not change are not read again."""

    def __init__(
        self,
        store: Store,
        clock: TrustedClock,
        signs: SignsOfLife,
        router: Router,
        is_firing: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._clock = clock
        self._signs = signs
        self._router = router
        self._executions: dict[ExecutionId, Execution] = {}
        self._fired: deque[Execution] = deque()
        self._sent: set[MessageId] = set()
        self._is_firing = is_firing
        self._was_firing = False
        self._ticks = self._given_way = 0
        self._size = SliceSize(SLICE)
        self._left_out = LeftOut[ExecutionId]()
        self._unreadable = LeftOut[ExecutionId]()

    def expect(self, fired: Iterable[Execution]) -> None:
        """Take executions that were just stored, and need not be read; any thread may call it."""
        self._fired.extend(fired)

    def tick(self) -> bool:
        """Bring every execution forward as far as it goes; one that fails stops no other."""
        if self._gives_way():
            return False
        now = self._clock.judge().likely
        self._read()
        mine = [e for e in self._executions.values() if self._is_mine(e)]
        self._work([e for e in mine if e.cancel_requested_by], self._cancel, now)
        running = [e for e in mine if e.status is ExecutionStatus.RUNNING]
        self._work([e for e in running if not e.cancel_requested_by], self._advance, now)
        unfinished = [e for e in self._executions.values() if not e.status.is_final]
        if any(e.status is ExecutionStatus.WAITING for e in unfinished):
            self._work(find_free(unfinished), self._begin, now)
        self._ticks += 1
        return False

    def _gives_way(self) -> bool:
        """Return whether this look is left out, so that what is due is sent first.

        The look after the firing is, too: the last messages are on their way to their modules then.
        """
        was_firing, self._was_firing = self._was_firing, self._is_firing()
        self._given_way = self._given_way + 1 if was_firing or self._was_firing else 0
        return 0 < self._given_way <= GIVE_WAY_LOOKS

    def _read(self) -> None:
        """Read the unfinished executions that are new or have changed."""
        while self._fired:
            execution = self._fired.popleft()
            self._executions.setdefault(execution.id, execution)
        with batch_timeout():
            revisions = self._store.executions.unfinished()
            known = {i: e for i, e in self._executions.items() if revisions.get(i) == e.revision}
            changed = revisions.keys() - known.keys() - self._unreadable.now()
            read = self._store.executions.read(changed)
        self._unreadable.add(changed - read.keys())
        self._executions = known | read
        self._sent &= {i for e in self._executions.values() for i in open_messages(e)}

    def _work(
        self,
        executions: Sequence[Execution],
        do: Callable[[Sequence[Execution], datetime], None],
        now: datetime,
    ) -> None:
        """Do this with the executions, slice by slice; what fails alone is left out for a while."""
        besides = self._left_out.now()
        left = [execution for execution in executions if execution.id not in besides]
        while left:
            with self._size.trying() as size:
                part, left = left[:size], left[size:]
                failed = isolate(lambda some: do(some, now), part, lambda e: e.id)
            self._left_out.add(execution.id for execution in failed)

    def _cancel(self, executions: Sequence[Execution], now: datetime) -> None:
        self._keep(filter(None, (cancel_requested(self._store, e, now) for e in executions)))

    def _advance(self, executions: Sequence[Execution], now: datetime) -> None:
        sending = LONG_SENDING_TIME if self._is_firing() else SENDING_TIME
        unsent = {i for e in executions for i in _being_sent(e, now, sending)}
        known = self._sent | unsent
        self._keep(advance_executions(self._store, executions, now, known, self._router))
        self._note_sent(executions, unsent)

    def _begin(self, executions: Sequence[Execution], now: datetime) -> None:
        self._keep(begin_waiting(self._store, executions, now, self._router))

    def _is_mine(self, execution: Execution) -> bool:
        share = self._signs.share
        if self._ticks % SHARE_OF_OTHERS == 0:
            return True
        return zlib.crc32(execution.id.encode()) % share.count == share.rank

    def _keep(self, changed: Iterable[Execution]) -> None:
        self._executions.update({execution.id: execution for execution in changed})

    def _note_sent(self, looked_at: Iterable[Execution], unsent: Container[MessageId]) -> None:
        """Remember the messages that exist for certain."""
        current = (self._executions[execution.id] for execution in looked_at)
        ids = (i for execution in current for i in open_messages(execution))
        self._sent.update(i for i in ids if i not in unsent)


def _being_sent(execution: Execution, now: datetime, sending: timedelta) -> list[MessageId]:
    """Return the messages that the worker which chose their modules is about to send."""
    return [
        run.tries[-1].message_id
        for run in execution.steps
        if run.status is StepStatus.SENT and abs(now - run.tries[-1].at) < sending
    ]
