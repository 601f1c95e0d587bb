"""How punctual workflows are, and how modules do: figures of the last 24 hours and 7 days."""

from collections.abc import Iterable
from datetime import datetime

from shared.domain.ids import ModuleHash, WorkflowId
from shared.domain.punctuality import (
    WEEK,
    ExecutionGlance,
    Figures,
    Record,
    WorkflowFigures,
    record_of_executions,
    record_of_results,
)
from shared.store import Store, batch_timeout

# A hundred workflows of every five minutes take ten seconds on the embedded database.
READ_SECONDS = 60.0


def punctuality_of(
    store: Store, workflow_ids: Iterable[WorkflowId], now: datetime
) -> dict[WorkflowId, Record[WorkflowFigures]]:
    """Return the record of each of these workflows, also of one that was never due.

    It reads every execution of 7 days: about 50 ms per 1,000 on the embedded database.
    """
    due: dict[WorkflowId, list[ExecutionGlance]] = {number: [] for number in workflow_ids}
    with batch_timeout(READ_SECONDS):
        for glance in store.executions.glance(due, now - WEEK):
            due[glance.workflow_id].append(glance)
    return {number: record_of_executions(glances, now) for number, glances in due.items()}


def record_of_module(store: Store, module_hash: ModuleHash, now: datetime) -> Record[Figures]:
    """Return the record of one module."""
    with batch_timeout(READ_SECONDS):
        return record_of_results(store.results.glance(module_hash, now - WEEK), now)
