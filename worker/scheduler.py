"""The scheduler: workflows fire at their due times."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from shared.domain.event import ALL_WORKERS, WORKERS_AWAY, Event
from shared.domain.execution import Execution, MissReason
from shared.domain.firing import BlindTime
from shared.domain.ids import WorkflowId
from shared.services.routing import Router
from shared.services.scheduling import SLICE, fire_numbered
from shared.store import Store
from worker.left_out import LeftOut
from worker.signs_of_life import SignsOfLife
from worker.slice_size import SliceSize
from worker.trusted_clock import TrustedClock

# It looks so far ahead, so that it wakes when something is due; more than the loop's pause.
HORIZON = timedelta(seconds=1.5)
LOOK_SECONDS = 1.0
# Every further worker comes so much later, and finds nothing left to do unless the first is away.
TURN_SECONDS = 0.25
# Finding what is due costs as much for one slice as for many.
SEEN_AT_ONCE = 5000


class Scheduler:
    """Fires what is due, by the time that the clocks agree on."""

    def __init__(
        self,
        store: Store,
        clock: TrustedClock,
        signs: SignsOfLife,
        router: Router,
        on_fired: Callable[[Iterable[Execution]], object] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._signs = signs
        self._router = router
        self._on_fired = on_fired
        self._sleep = sleep
        self._size = SliceSize(SLICE)
        self._left_out = LeftOut[WorkflowId]()
        self._due: list[WorkflowId] = []  # seen to be due, and not fired yet
        self.is_firing = False

    def tick(self) -> bool:
        """Fire what is due, or will be within a moment; True when it is to be called at once."""
        now = self._clock.judge().likely
        besides = self._left_out.now()
        if not self._due:
            due_at = self._store.due_workflows.due_soon(now + HORIZON, besides)
            self.is_firing = due_at is not None and due_at <= now
            if due_at is None:
                return False
            now = self._wait(due_at, now)
            self._due = self._store.due_workflows.due_numbers(now, SEEN_AT_ONCE, besides)
        with self._size.trying() as size:
            some, self._due = self._due[:size], self._due[size:]
            fired = fire_numbered(self._store, some, now, self._read_blind_times, self._router)
        self._on_fired(fired.running)
        self._left_out.add(fired.failed)
        if not fired.moved:  # another worker did; or a write is refused
            self._due = []
            self._sleep(TURN_SECONDS)
        return True

    def _wait(self, due_at: datetime, now: datetime) -> datetime:
        """Sleep until this is due, and until it is this worker's turn; return what time it is then."""
        seconds = (due_at - now).total_seconds() + self._signs.share.rank * TURN_SECONDS
        if seconds > 0:
            self._sleep(seconds)
            now = self._clock.judge().likely
        self.is_firing = True
        return now

    def _read_blind_times(self, since: datetime) -> Sequence[BlindTime]:
        """Return the times since then in which no worker did anything."""
        self._signs.note()  # the gap that has just ended may not be recorded yet
        return [
            BlindTime(begin=event.detail["since"], end=event.at, cause=_cause_of(event))
            for event in self._store.events.find(subject=ALL_WORKERS, since=since)
            if event.what == WORKERS_AWAY and "since" in event.detail
        ]


def _cause_of(event: Event) -> MissReason:
    return next((r for r in MissReason if r == event.reason), MissReason.NO_WORKER)
