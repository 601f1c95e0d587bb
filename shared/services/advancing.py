"""Running executions go on: results end their steps, and the next steps are sent."""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from shared.domain.execution import Execution, ExecutionStatus
from shared.domain.execution_progress import advance, open_messages
from shared.domain.ids import ExecutionId, MessageId, WorkflowId
from shared.services.cancelling import cancel_requested
from shared.services.execution_ends import note_ends, note_successes
from shared.services.isolation import isolate
from shared.services.message_deadlines import end_overdue_among
from shared.services.routing import Router
from shared.services.step_sending import send_messages, start_ready_steps
from shared.store import Store, batch_timeout

log = logging.getLogger(__name__)


def advance_executions(
    store: Store,
    executions: Sequence[Execution],
    now: datetime,
    known: Collection[MessageId] = (),
    router: Router | None = None,
) -> list[Execution]:
    """Bring executions forward as far as the results allow; return those that changed, as stored.

    Each write is guarded by the revision that was read: of two workers one writes, and the other
    sees it next time. `known` are messages that need not be sent again.
    """
    with batch_timeout():
        results = store.results.read_ends({i for e in executions for i in open_messages(e)})
        advanced = [advance(execution, results, now) for execution in executions]
        advanced = start_ready_steps(store, advanced, now, router)
    changed = _write(store, executions, advanced, now)
    # An execution that did not change may have been left by a worker that was killed.
    current = {e.id: e for e in executions if open_messages(e)} | {e.id: e for e in changed}
    with batch_timeout():
        send_messages(store, current.values(), now, {*known, *results})
    return changed


def bring_up_to_date(
    store: Store, ids: Collection[ExecutionId], now: datetime, router: Router | None = None
) -> None:
    """Bring forward executions that no monitor may have looked at lately: some may have ended.

    Results may be stored, and deadlines over, since the last look.
    """
    with batch_timeout():
        executions = list(store.executions.read(ids).values())
    isolate(lambda some: _bring_some(store, some, now, router), executions, lambda e: e.id)


def _bring_some(
    store: Store, executions: Sequence[Execution], now: datetime, router: Router | None
) -> None:
    running = []
    for execution in executions:
        if execution.cancel_requested_by:
            cancel_requested(store, execution, now)
        elif execution.status is ExecutionStatus.RUNNING:
            running.append(execution)
    messages = {i for execution in running for i in open_messages(execution)}
    with batch_timeout():
        end_overdue_among(store, messages, now)
    advance_executions(store, running, now, messages, router)


def find_free(unfinished: Iterable[Execution]) -> list[Execution]:
    """Return those that wait, of all unfinished executions, though none is before them any more."""
    first: dict[WorkflowId, Execution] = {}
    for execution in sorted(unfinished, key=_order):
        first.setdefault(execution.workflow_id, execution)
    return [e for e in first.values() if e.status is ExecutionStatus.WAITING]


def begin_waiting(
    store: Store, free: Sequence[Execution], now: datetime, router: Router | None = None
) -> list[Execution]:
    """Begin executions that waited for the ones before them; return them as stored."""
    begun = [replace(e, status=ExecutionStatus.RUNNING, started_at=now) for e in free]
    with batch_timeout():
        started = start_ready_steps(store, begun, now, router)
    changed = _write(store, free, started, now)
    with batch_timeout():
        send_messages(store, changed, now)
    return changed


def _order(execution: Execution) -> tuple[bool, datetime, ExecutionId]:
    """Put what runs before what waits, and the older before the newer."""
    return execution.status is ExecutionStatus.WAITING, execution.due_at, execution.id


def _write(
    store: Store, before: Sequence[Execution], after: Sequence[Execution], now: datetime
) -> list[Execution]:
    """Write what changed, and return it; nothing when another worker was first with any of it.

    The next look then reads all of it anew.
    """
    changes = [
        (old, replace(new, revision=old.revision + 1))
        for old, new in zip(before, after, strict=True)
        if new is not old
    ]
    changed = [new for _, new in changes]
    with batch_timeout():
        noted = note_successes(store, changed, now)
        if not store.executions.replace_all(changes, noted):
            note_ends(store, store.executions.unnoted_among([e.id for e in changed]), now)
            return []
        note_ends(store, [e for e in changed if e.id not in noted], now)
    for execution in changed:
        if execution.status.is_final:
            log.info("an execution ended", extra=_describe(execution))
    return changed


def _describe(execution: Execution) -> dict[str, str | None]:
    reason = execution.reason.value if execution.reason else None
    return {
        "execution_id": execution.id,
        "status": execution.status.value,
        "reason": reason,
    }
