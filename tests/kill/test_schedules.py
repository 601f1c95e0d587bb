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

pytestmark = [pytest.mark.kill, pytest.mark.xdist_group("kill")]

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

    def executions(self) -> list[Execution]:
        """Return every execution of these workflows."""
        executions = self.platform.collection("executions")
        found = executions.find({"workflow_id": {"$in": list(self.due)}}, {"_id": 1})
        ids = [ExecutionId(document["_id"]) for document in found]
        return list(self.platform.store.executions.read(ids).values())

    def answer(self) -> None:
        """Have the modules do all that waits for them; a database that is away waits, too."""
        store = self.platform.store
        try:
            waiting = store.deliveries.queued_for(self.modules)
            results = [make_result(message_id=m.id, module_hash=m.module_hash) for m in waiting]
            end_messages(store, results, utc_now())
        except DatabaseError:
            pass

    def count(self, status: ExecutionStatus) -> int:
        """Return how many executions have come to this."""
        query = {"workflow_id": {"$in": list(self.due)}, "status": status.value}
        try:
            return len(list(self.platform.collection("executions").find(query, {"_id": 1})))
        except DatabaseError:
            return 0

    def is_done(self) -> bool:
        """Return whether every firing has succeeded."""
        return self.count(ExecutionStatus.SUCCEEDED) == len(self.due)

    def assert_each_fired_once(self) -> None:
        """Compare what is stored with what was due."""
        executions = self.executions()
        expected = {scheduled_id(workflow, due) for workflow, due in self.due.items()}
        assert {execution.id for execution in executions} == expected
        assert Counter(e.status for e in executions) == {ExecutionStatus.SUCCEEDED: len(expected)}
        query = {"workflow_id": {"$in": list(self.due)}}
        messages = list(self.platform.collection("messages").find(query))
        assert Counter(m["execution_id"] for m in messages) == dict.fromkeys(expected, 1)
        assert {message["status"] for message in messages} == {"succeeded"}
        for workflow in self.platform.collection("workflows").find({"_id": {"$in": [*self.due]}}):
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
    eventually(lambda: (timetable.answer(), timetable.is_done())[1], seconds=40)
    timetable.assert_each_fired_once()


def test_the_database_is_killed(platform: RunningPlatform, workers: list[WorkerProcess]) -> None:
    timetable = lay_out(platform, FIRINGS // 4)
    middle = min(timetable.due.values()) + timedelta(seconds=DUE_WITHIN_SECONDS / 2)
    while utc_now() < middle:
        timetable.answer()
    platform.database.kill()
    time.sleep(2)  # the length of the outage
    platform.database.start()
    eventually(lambda: (timetable.answer(), timetable.is_done())[1], seconds=40)
    timetable.assert_each_fired_once()
