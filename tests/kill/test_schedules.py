"""Workers and the database are killed while a thousand workflows are due: each fires once (I5)."""

import os
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from shared.clock import utc_now
from shared.domain.execution import Execution, ExecutionStatus, scheduled_id
from shared.domain.ids import ExecutionId, ModuleHash, WorkflowId
from shared.domain.workflow import Workflow
from shared.services.ending import end_messages
from shared.store.errors import DatabaseError
from shared.store.workflows import to_document
from tests.support.builders import make_result, make_step, make_workflow
from tests.support.eventually import eventually
from tests.support.running_platform import RunningPlatform
from tests.support.worker_processes import WorkerProcess, make_workers

pytestmark = pytest.mark.kill

FIRINGS = int(os.environ.get("SCHEDULE_FIRINGS", "1000"))
DUE_WITHIN_SECONDS = 8
BEFORE_THE_FIRST_SECONDS = 3
WORKERS = 2


@dataclass
class Timetable:
    """Workflows that are due once, within a few seconds, and the modules that do their work."""

    platform: RunningPlatform
    modules: list[ModuleHash]
    due: dict[WorkflowId, datetime]

    @property
    def numbers(self) -> dict[str, WorkflowId]:
        """Return a query for the numbers of these workflows, which follow one another."""
        return {"$gte": min(self.due), "$lte": max(self.due)}

    @property
    def theirs(self) -> dict[str, dict[str, WorkflowId]]:
        """Return a query for what belongs to these workflows."""
        return {"workflow_id": self.numbers}

    def executions(self) -> list[Execution]:
        """Return every execution of these workflows."""
        found = self.platform.collection("executions").find(self.theirs, {"_id": 1})
        ids = [ExecutionId(document["_id"]) for document in found]
        return list(self.platform.store.executions.read(ids).values())

    def answer(self) -> None:
        """Have the modules do all that waits for them; a database that is away waits, too."""
        store = self.platform.store
        try:
            waiting = store.deliveries.queued_for(self.modules)
            now = utc_now()
            results = [
                make_result(message_id=m.id, module_hash=m.module_hash, at=now) for m in waiting
            ]
            end_messages(store, results, now)
        except DatabaseError:
            pass

    def is_done(self) -> bool:
        """Have the modules answer, and return whether every firing has ended."""
        self.answer()
        try:
            if self.platform.store.due_workflows.due_soon(utc_now()):
                return False
            return not self.platform.store.executions.unfinished_of(self.due.keys())
        except DatabaseError:
            return False

    def assert_each_fired_once(self) -> None:
        """Compare what is stored with what was due."""
        executions = self.executions()
        expected = {scheduled_id(workflow, due) for workflow, due in self.due.items()}
        assert {execution.id for execution in executions} == expected
        assert Counter(e.status for e in executions) == {ExecutionStatus.SUCCEEDED: len(expected)}
        messages = list(self.platform.collection("messages").find(self.theirs))
        assert Counter(m["execution_id"] for m in messages) == dict.fromkeys(expected, 1)
        assert {message["status"] for message in messages} == {"succeeded"}
        for workflow in self.platform.collection("workflows").find({"_id": self.numbers}):
            assert workflow["next_due_at"] == self.due[workflow["_id"]] + timedelta(days=1)


@pytest.fixture
def workers(platform: RunningPlatform) -> Iterator[list[WorkerProcess]]:
    processes = make_workers(platform, WORKERS)
    for process in processes:
        process.come_up()
    yield processes
    for process in processes:
        process.kill()
        assert "Traceback" not in process.read_log()


def make_due_workflow(
    number: WorkflowId, module_hash: ModuleHash, base: datetime, due: datetime
) -> Workflow:
    """Return a workflow that is due once a day, at any second: at a minute, and so much later."""
    return make_workflow(
        workflow_id=number,
        name=f"kill-{number}",
        steps=(make_step(module_hash=module_hash),),
        crons=(f"{base.minute} {base.hour} * * *",),
        timezone="UTC",
        shift_time=int((due - base).total_seconds()),
        next_due_at=due,
    )


def lay_out(platform: RunningPlatform, firings: int) -> Timetable:
    """Store workflows that are due within the next seconds."""
    modules = platform.register(20)
    now = utc_now().replace(microsecond=0)
    base = now.replace(second=0)
    first = now + timedelta(seconds=BEFORE_THE_FIRST_SECONDS)
    lowest = uuid.uuid4().int % 2**31
    numbers = [WorkflowId(lowest + n) for n in range(firings)]
    due = {
        number: first + timedelta(seconds=n % DUE_WITHIN_SECONDS)
        for n, number in enumerate(numbers)
    }
    workflows = [
        make_due_workflow(number, modules[n % len(modules)], base, due[number])
        for n, number in enumerate(numbers)
    ]
    platform.collection("workflows").insert_many(map(to_document, workflows))
    return Timetable(platform=platform, modules=modules, due=due)


def test_a_worker_is_killed_every_second(
    platform: RunningPlatform, workers: list[WorkerProcess]
) -> None:
    timetable = lay_out(platform, FIRINGS)
    last_due = max(timetable.due.values())
    turn = 0
    while utc_now() < last_due + timedelta(seconds=1):
        started = time.monotonic()
        victim = workers[turn % WORKERS]
        victim.kill()
        victim.start()
        turn += 1
        while time.monotonic() < started + 1:
            timetable.answer()
    eventually(timetable.is_done, seconds=40)
    timetable.assert_each_fired_once()


def test_the_database_is_killed(platform: RunningPlatform, workers: list[WorkerProcess]) -> None:
    timetable = lay_out(platform, FIRINGS // 4)
    middle = min(timetable.due.values()) + timedelta(seconds=DUE_WITHIN_SECONDS / 2)
    while utc_now() < middle:
        timetable.answer()
    platform.database.kill()
    time.sleep(2)  # the length of the outage
    platform.database.start()
    eventually(timetable.is_done, seconds=40)
    timetable.assert_each_fired_once()
