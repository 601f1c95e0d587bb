"""Workflows are edited, paused and resumed while workers fire them."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count

import pytest

from shared.domain.execution import scheduled_id
from shared.domain.firing import last_covered
from shared.domain.ids import WorkflowId
from shared.domain.workflow_file import WorkflowDraft, read_workflow
from shared.errors import Conflict
from shared.services.executions import run_workflow
from shared.services.scheduling import fire_due
from shared.services.workflows import (
    create_workflow,
    edit_workflow,
    pause_workflow,
    resume_workflow,
)
from shared.store import Store
from tests.support.builders import ACTOR
from tests.support.registry import Registry

MINUTE = timedelta(minutes=1)
MINUTES = 40


def draft(description: str = "", cron: str = "* * * * *") -> WorkflowDraft:
    return read_workflow(
        {
            "name": "load-72h",
            "description": description,
            "execute_cron_list": [cron],
            "overlap": "allow",
            "steps": [{"module": "load"}],
        }
    )


@pytest.fixture
def number(store: Store, registry: Registry, now: datetime) -> WorkflowId:
    registry.register("load")
    return create_workflow(store, draft(), ACTOR, now).workflow_id


def recorded(store: Store, number: WorkflowId, now: datetime) -> set[datetime]:
    """Return the minutes that have an execution, or are covered by one that never ran."""
    minutes = [now + MINUTE * n for n in range(1, MINUTES + 1)]
    found = store.executions.read([scheduled_id(number, minute) for minute in minutes])
    spans = [(execution.due_at, last_covered(execution)) for execution in found.values()]
    return {m for m in minutes if any(first <= m <= last for first, last in spans)}


class Time:
    """Minutes that pass while workers look: every one of them twice, as two workers would."""

    def __init__(self, store: Store, start: datetime) -> None:
        self.store = store
        self.now = start

    def pass_by(self) -> None:
        for _ in range(MINUTES):
            self.now += MINUTE
            with ThreadPoolExecutor(max_workers=2) as workers:
                list(workers.map(lambda _: fire_due(self.store, self.now), range(2)))


def test_every_minute_fires_once_however_often_the_workflow_is_edited(
    store: Store, number: WorkflowId, now: datetime
) -> None:
    time = Time(store, now)
    with ThreadPoolExecutor(max_workers=1) as pool:
        passing = pool.submit(time.pass_by)
        for n in count():
            cron = random.choice(("* * * * *", "*/1 * * * *", "0-59 * * * *"))
            edit_workflow(store, number, draft(str(n), cron), ACTOR, time.now)
            if passing.done():
                break
        passing.result()
    assert len(recorded(store, number, now)) == MINUTES


def test_every_minute_outside_of_pauses_has_its_execution(
    store: Store, number: WorkflowId, now: datetime
) -> None:
    time = Time(store, now)
    pauses: list[tuple[datetime, datetime]] = []
    with ThreadPoolExecutor(max_workers=1) as pool:
        passing = pool.submit(time.pass_by)
        while not passing.done():
            begin = time.now
            pause_workflow(store, number, "", ACTOR, begin)
            end = time.now
            resume_workflow(store, number, ACTOR, end)
            pauses.append((begin, end))
        passing.result()
    fire_due(store, time.now)  # the last pause may have ended after the last look
    found = recorded(store, number, now)
    for minute in (now + MINUTE * n for n in range(1, MINUTES + 1)):
        assert minute in found or any(begin < minute <= end for begin, end in pauses)


def test_only_one_of_two_pauses_counts(store: Store, number: WorkflowId, now: datetime) -> None:
    def pause(note: str) -> str | None:
        try:
            pause_workflow(store, number, note, ACTOR, now)
        except Conflict:
            return None
        return note

    with ThreadPoolExecutor(max_workers=8) as pool:
        (note,) = filter(None, pool.map(pause, [f"note {n}" for n in range(8)]))
    paused = store.workflows.get(number)
    assert paused is not None
    assert paused.pause is not None
    assert paused.pause.note == note


def test_an_execution_keeps_the_version_that_it_began_with(
    store: Store, number: WorkflowId, now: datetime
) -> None:
    workflow = store.workflows.get(number)
    assert workflow is not None
    execution = run_workflow(store, workflow, ACTOR, now)
    edit_workflow(store, number, draft("new", "0 8 * * *"), ACTOR, now)
    kept = store.executions.get(execution.id)
    assert kept is not None
    assert (kept.workflow.version, kept.workflow.crons) == (1, ("* * * * *",))
