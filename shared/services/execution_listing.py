"""Which execution a caller means, and the executions of workflows, newest first."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from shared.domain.execution import Execution, ExecutionStatus
from shared.domain.ids import ExecutionId, WorkflowId
from shared.errors import Conflict, InvalidData, NotFound
from shared.store import Store, batch_timeout

READ_SECONDS = 15.0
CANDIDATES_SHOWN = 10
TEXT_SHOWN = 80
# Back in time in steps that grow: the embedded database reads all of a span, whatever the limit.
FIRST_SPAN = timedelta(hours=1)
LAST_SPAN = timedelta(days=400)
DATE_FORM = "%Y%m%d"

_match_prefix = re.compile(r"([0-9]{1,10})-([0-9]{8}[0-9A-Za-z-]*)").fullmatch


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
    end = last.due_at + timedelta(milliseconds=1) if last else None
    page: list[Execution] = []
    with batch_timeout(READ_SECONDS):
        for execution in newest_first(store, workflow_id, since, now, end):
            is_next = last is None or _key(execution) < _key(last)
            if is_next and status in (None, execution.status):
                page.append(execution)
                if len(page) == limit:
                    break
    return page


def newest_first(
    store: Store,
    workflow_id: WorkflowId | None,
    since: datetime | None,
    now: datetime,
    before: datetime | None = None,
) -> Iterator[Execution]:
    """Yield executions, newest first: those due before a moment, or all."""
    for begin, end in _spans(since, now, before):
        yield from store.executions.due_between(workflow_id, begin, end)


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


def _key(execution: Execution) -> tuple[datetime, str]:
    return execution.due_at, execution.id


def _spans(
    since: datetime | None, now: datetime, end: datetime | None
) -> Iterator[tuple[datetime | None, datetime | None]]:
    """Yield spans back in time, each four times as long as the one before, the last one open."""
    span = FIRST_SPAN
    begin: datetime | None = (end or now) - span
    while begin is not None:
        if since is not None and begin <= since:
            yield since, end
            return
        yield begin, end
        end, span = begin, span * 4
        begin = end - span if span < LAST_SPAN else None
    yield since, end
