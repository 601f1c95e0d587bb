"""When workers run: noted every few seconds, so that a gap without any can be told afterwards."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.event import Subject, workers_were_away
from shared.domain.execution import MissReason
from shared.store import Store

NOTE_SECONDS = 5.0
# A restart takes a few seconds, and is no gap that anything was missed in.
SHORTEST_GAP = timedelta(seconds=3 * NOTE_SECONDS)


def note_worker(store: Store, worker: Subject, now: datetime, *, met_outage: bool = False) -> None:
    """Note that a worker runs; record the gap when no worker did for some time.

    A worker that ran all the time and met an outage knows that the database was away.
    """
    last = last_worker_sign(store)
    if last is not None and now - last >= SHORTEST_GAP:
        reason = MissReason.NO_DATABASE if met_outage else MissReason.NO_WORKER
        # Before the note: killed in between, the next worker finds the same gap.
        store.events.record([workers_were_away(last, now, reason)])
    store.workers.note(worker.id, now)


def last_worker_sign(store: Store) -> datetime | None:
    """Return when any worker was last known to run; None when none ever was."""
    return max(store.workers.all().values(), default=None)


@dataclass(frozen=True, kw_only=True)
class Share:
    """A worker's place among those that run: it spares them looking at the same things at once.

    It decides nothing: a worker that believes something else is only slower.
    """

    rank: int = 0
    count: int = 1


def find_share(store: Store, worker: Subject, now: datetime) -> Share:
    """Return this worker's share of what any worker may do."""
    others = {
        other
        for other, at in store.workers.all().items()
        if other != worker.id and abs(now - at) < SHORTEST_GAP
    }
    return Share(rank=sum(other < worker.id for other in others), count=len(others) + 1)
