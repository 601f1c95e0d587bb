"""Due times that no worker has fired yet, when a workflow is edited or paused: none is lost."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice

from shared.domain.cron import due_times
from shared.domain.execution import MissReason
from shared.domain.firing import MISSED_AT_ONCE, BlindTime, leave_out
from shared.domain.workflow import Pause, Workflow
from shared.services.execution_ends import note_ends
from shared.services.scheduling import fire
from shared.services.worker_presence import SHORTEST_GAP, last_worker_sign
from shared.store import Store


def is_overdue(workflow: Workflow, now: datetime) -> bool:
    """Return whether a due time of this workflow has come that is not fired."""
    return workflow.next_due_at is not None and workflow.next_due_at <= now


def fire_overdue(store: Store, workflow: Workflow, now: datetime) -> None:
    """Fire a workflow as a worker would; its due time moves."""

    def read_blind_times(_: datetime) -> Sequence[BlindTime]:
        last = last_worker_sign(store)
        if last is None or now - last < SHORTEST_GAP:
            return ()
        return [BlindTime(begin=last, end=now, cause=MissReason.NO_WORKER)]

    fire(store, [workflow], now, read_blind_times)


def leave_out_overdue(
    store: Store, workflow: Workflow, now: datetime, pause: Pause | None = None
) -> None:
    """Record that what was due does not run any more, unless a worker has just fired it."""
    if workflow.next_due_at is None or not is_overdue(workflow, now):
        return
    crons, zone, shift = workflow.crons, workflow.timezone, workflow.shift
    until = now + timedelta(microseconds=1)
    times = due_times(crons, zone, shift, workflow.next_due_at, until)
    found = list(islice(times, MISSED_AT_ONCE))
    if found:
        execution = leave_out(replace(workflow, pause=pause), found, now)
        note_ends(store, [execution], now)
        store.executions.insert([execution])
