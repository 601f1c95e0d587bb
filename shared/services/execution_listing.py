"""Which execution a caller means, and the executions of workflows, newest first."""

import re
from datetime import UTC, datetime, timedelta
from itertools import islice

from shared.domain.execution import Execution, ExecutionStatus
from shared.domain.ids import ExecutionId, WorkflowId
from shared.errors import Conflict, InvalidData, NotFound
from shared.store import Store, batch_timeout

READ_SECONDS = 15.0
CANDIDATES_SHOWN = 10
TEXT_SHOWN = 80
DATE_FORM = "%Y%m%d"

_match_prefix = re.compile(r"([0-9]{1,16})-([0-9]{8}[0-9A-Za-z~-]*)").fullmatch


def find_execution(store: Store, reference: str) -> Execution:
    """Return the one execution whose id is this, or starts so (its day must stand in it).

    Raises NotFound, or Conflict that lists the candidates.
    """
    text = reference.strip()
    execution = store.executions.get(ExecutionId(text))
    if execution is not None:
        return execution
    found = _starting_with(store, text)
    if not found:
        raise NotFound(
            f"No execution has the id {text[:TEXT_SHOWN]!r}: ids look like 12-20261121T013000, "
            "and the beginning is enough from the day on."
        )
    if len(found) > 1:
        lines = [f"  {execution.id}  {execution.status}" for execution in found[:CANDIDATES_SHOWN]]
        if len(found) > CANDIDATES_SHOWN:
            lines.append(f"  and {len(found) - CANDIDATES_SHOWN} more")
        raise Conflict(f"More than one execution starts with {text}:\n" + "\n".join(lines))
    return found[0]


def looks_like_id(text: str) -> bool:
    """Return whether a text may be an execution's id, or the beginning of one."""
    return _match_prefix(text) is not None


def list_executions(
    store: Store,
    now: datetime,
    *,
    workflow_id: WorkflowId | None = None,
    status: ExecutionStatus | None = None,
    since: datetime | None = None,
    limit: int,
    after: ExecutionId | None = None,
) -> list[Execution]:
    """Return a page of executions, newest first; `after` is the last one of the page before.

    Raises InvalidData when that one does not exist (any more).
    """
    last = _read_last(store, after)
    with batch_timeout(READ_SECONDS):
        found = store.executions.newest(
            workflow_id, now, since=since, until=last.due_at if last else None
        )
        if last is not None:
            found = (e for e in found if (e.due_at, e.id) < (last.due_at, last.id))
        return list(islice((e for e in found if status in (None, e.status)), limit))


def _starting_with(store: Store, text: str) -> list[Execution]:
    """Find by the day in an id: a range of the ids themselves would be a scan."""
    match = _match_prefix(text)
    if match is None:
        return []
    try:
        day = datetime.strptime(match[2][:8], DATE_FORM).replace(tzinfo=UTC)
        end = day + timedelta(days=1)
    except (ValueError, OverflowError):
        return []
    found = store.executions.due_between(WorkflowId(int(match[1])), day, end)
    return [execution for execution in found if execution.id.startswith(text)]


def _read_last(store: Store, after: ExecutionId | None) -> Execution | None:
    if after is None:
        return None
    last = store.executions.get(after)
    if last is None:
        raise InvalidData(f"after names the execution {after[:TEXT_SHOWN]!r}, which is not stored.")
    return last
