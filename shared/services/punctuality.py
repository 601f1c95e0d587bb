"""How punctual workflows are, and how modules do: figures of the last 24 hours and 7 days."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta

from shared.domain.execution import Execution
from shared.domain.ids import ModuleHash, WorkflowId
from shared.domain.punctuality import (
    DAY,
    HOUR,
    WEEK,
    ExecutionGlance,
    Figures,
    Record,
    Tally,
    WorkflowFigures,
    add_up,
    hour_of,
    record_of_executions,
    record_of_results,
    tally,
)
from shared.store import Store, batch_timeout

READ_SECONDS = 60.0
# The executions of a few workflows are read one by one: about 0.1 s per 1,000.
FEW = 3
# What was due in an hour is stored by then: it fired, or its workflow is still due.
COUNTED_AFTER = timedelta(minutes=5)

ByWorkflow = dict[WorkflowId, Tally]


def punctuality_of(
    store: Store, workflow_ids: Collection[WorkflowId], now: datetime
) -> dict[WorkflowId, Record[WorkflowFigures]]:
    """Return the record of each of these workflows, also of one that was never due."""
    with batch_timeout(READ_SECONDS):
        if len(workflow_ids) > FEW:
            return _add_up_hours(store, workflow_ids, now)
        due: dict[WorkflowId, list[ExecutionGlance]] = {number: [] for number in workflow_ids}
        for glance in store.executions.glance(due, now - WEEK):
            due[glance.workflow_id].append(glance)
    return {number: record_of_executions(glances, now) for number, glances in due.items()}


def count_an_hour(store: Store, now: datetime) -> bool:
    """Count the executions of a full hour of the last week; False when none is left to count.

    Only hours in which nothing changes any more: all that was due has fired, and has ended.
    """
    with batch_timeout(READ_SECONDS):
        newest = hour_of(now - COUNTED_AFTER) - HOUR
        counted = store.tallies.hours()
        store.tallies.forget(hour for hour in counted if hour < now - WEEK)
        # First what is due, then what runs, then all: what fires in between is seen.
        overdue = store.due_workflows.due_soon(now)
        open_hours = {hour_of(at) for at in store.executions.unfinished_due_times()}
        last = min(newest, hour_of(overdue) - HOUR) if overdue else newest
        hours = (hour for hour in _hours(last, now - WEEK) if hour not in counted | open_hours)
        hour = next(hours, None)
        if hour is None:
            return False
        tallies = _tally_all(store.executions.glance_between(hour, hour + HOUR), now)
        store.tallies.write(hour, tallies)
    return True


def forget_tallies(store: Store, ended: Iterable[Execution], now: datetime) -> None:
    """Have the hours counted anew in which these executions were due, which have ended."""
    hours = {hour_of(execution.due_at) for execution in ended}
    full = [hour for hour in hours if hour + HOUR <= now]
    if full:
        store.tallies.forget(full)


def record_of_module(store: Store, module_hash: ModuleHash, now: datetime) -> Record[Figures]:
    """Return the record of one module."""
    with batch_timeout(READ_SECONDS):
        return record_of_results(store.results.glance(module_hash, now - WEEK), now)


def _add_up_hours(
    store: Store, workflow_ids: Iterable[WorkflowId], now: datetime
) -> dict[WorkflowId, Record[WorkflowFigures]]:
    """Return records from the hours that were counted, and the executions of the others."""
    counted = store.tallies.read()
    day: defaultdict[WorkflowId, list[Tally]] = defaultdict(list)
    week: defaultdict[WorkflowId, list[Tally]] = defaultdict(list)
    for hour in _hours(hour_of(now) + HOUR, hour_of(now - WEEK)):
        tallies = counted.get(hour)
        if tallies is None or hour in (hour_of(now - DAY), hour_of(now - WEEK)):
            tallies, today = _count_since(store, hour, now)
        else:
            today = tallies if hour > now - DAY else {}
        for number, one in tallies.items():
            week[number].append(one)
        for number, one in today.items():
            day[number].append(one)
    return {
        number: Record(day=add_up(day[number]).figures(), week=add_up(week[number]).figures())
        for number in workflow_ids
    }


def _count_since(store: Store, hour: datetime, now: datetime) -> tuple[ByWorkflow, ByWorkflow]:
    """Count what was due in an hour: in the last week of it, and in the last day."""
    glances = list(store.executions.glance_between(hour, hour + HOUR))
    week = [glance for glance in glances if glance.due_at > now - WEEK]
    day = [glance for glance in week if glance.due_at > now - DAY]
    return _tally_all(week, now), _tally_all(day, now)


def _tally_all(glances: Iterable[ExecutionGlance], now: datetime) -> ByWorkflow:
    found: defaultdict[WorkflowId, list[ExecutionGlance]] = defaultdict(list)
    for glance in glances:
        found[glance.workflow_id].append(glance)
    return {number: tally(executions, now) for number, executions in found.items()}


def _hours(last: datetime, first: datetime) -> Iterator[datetime]:
    """Yield full hours, newest first."""
    while last >= first:
        yield last
        last -= HOUR
