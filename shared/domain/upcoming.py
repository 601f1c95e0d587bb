"""What fires next, over all workflows."""

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime

from shared.domain.cron import due_times
from shared.domain.workflow import Workflow


def upcoming(
    workflows: Iterable[Workflow], begin: datetime, end: datetime
) -> Iterator[tuple[datetime, Workflow]]:
    """Yield every firing from begin to before end, in the order of their times."""
    times = [_firings(workflow, begin, end) for workflow in workflows if workflow.is_scheduled]
    return heapq.merge(*times, key=lambda firing: (firing[0], firing[1].workflow_id))


def _firings(
    workflow: Workflow, begin: datetime, end: datetime
) -> Iterator[tuple[datetime, Workflow]]:
    for due_at in due_times(workflow.crons, workflow.timezone, workflow.shift, begin, end):
        yield due_at, workflow
