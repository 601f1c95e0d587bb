"""Workflows run on real modules, by a worker and two wsd, whatever is killed meanwhile."""

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.clock import utc_now
from shared.domain.actor import user
from shared.domain.execution import Execution, ExecutionStatus
from shared.domain.ids import ExecutionId, WorkflowId
from shared.domain.workflow import Workflow
from shared.services.executions import cancel_execution, run_workflow
from tests.support.builders import make_step, make_workflow
from tests.support.eventually import eventually
from tests.support.running_platform import RunningPlatform
from tests.support.sdk_modules import SdkModule
from tests.support.worker_processes import WorkerProcess, make_workers

pytestmark = pytest.mark.kill

ALICE = user("alice")


@pytest.fixture
def worker(platform: RunningPlatform) -> Iterator[WorkerProcess]:
    (process,) = make_workers(platform, 1)
    process.come_up()
    yield process
    process.kill()


@pytest.fixture
def make_module(platform: RunningPlatform, tmp_path: Path) -> Iterator[Callable[[], SdkModule]]:
    """Makes modules that are gone after the test."""
    made: list[SdkModule] = []

    def make() -> SdkModule:
        made.append(SdkModule(platform, tmp_path))
        made[-1].come_up()
        return made[-1]

    yield make
    for one in made:
        one.released.set()
        one.module.stop()


def store_chain(platform: RunningPlatform, *modules: SdkModule, **overrides: Any) -> Workflow:
    """Store a workflow whose steps come one after another, each on its module."""
    steps = tuple(
        make_step(
            name=f"step-{n}",
            module_hash=module.module_hash,
            after=(f"step-{n - 1}",) if n else (),
            args={"number": n},
        )
        for n, module in enumerate(modules)
    )
    workflow = make_workflow(
        workflow_id=WorkflowId(uuid.uuid4().int % 2**31), steps=steps, timezone="UTC", **overrides
    )
    assert platform.store.workflows.insert(workflow)
    return workflow


def read(platform: RunningPlatform, execution_id: ExecutionId) -> Execution:
    execution = platform.store.executions.get(execution_id)
    assert execution is not None
    return execution


def wait_for_end(platform: RunningPlatform, execution_id: ExecutionId) -> Execution:
    eventually(lambda: read(platform, execution_id).status.is_final, 20)
    return read(platform, execution_id)


def test_a_scheduled_workflow_of_two_steps_runs_by_itself(
    platform: RunningPlatform, worker: WorkerProcess, make_module: Callable[[], SdkModule]
) -> None:
    first, second = make_module(), make_module()
    now = utc_now().replace(microsecond=0)
    base = now.replace(second=0)
    due_at = now + timedelta(seconds=2)
    workflow = store_chain(
        platform,
        first,
        second,
        crons=(f"{base.minute} {base.hour} * * *",),
        shift_time=int((due_at - base).total_seconds()),
        next_due_at=due_at,
    )
    executions = platform.collection("executions")
    found = eventually(lambda: executions.find_one({"workflow_id": workflow.workflow_id}))
    execution = wait_for_end(platform, ExecutionId(found["_id"]))
    assert execution.status is ExecutionStatus.SUCCEEDED
    assert execution.ended_at is not None
    assert execution.ended_at - due_at < timedelta(seconds=5)
    ids = [run.tries[0].message_id for run in execution.steps]
    results = platform.store.results.read(ids)
    assert orjson.loads(results[ids[1]].content or "") == {"echo": {"number": 1}}
    inputs = orjson.loads(platform.store.messages.read(ids)[ids[1]].content)["meta"]["inputs"]
    assert inputs == {"step-0": {"echo": {"number": 0}}}


def test_an_execution_goes_on_after_everything_was_killed(
    platform: RunningPlatform, worker: WorkerProcess, make_module: Callable[[], SdkModule]
) -> None:
    first, second = make_module(), make_module()
    first.released.clear()
    workflow = store_chain(platform, first, second, next_due_at=None)
    execution = run_workflow(platform.store, workflow, ALICE, utc_now())
    eventually(lambda: first.ran)
    for process in (worker, platform.database, *platform.nodes):
        process.kill()
    first.released.set()
    platform.mend()
    worker.come_up()
    ended = wait_for_end(platform, execution.id)
    assert ended.status is ExecutionStatus.SUCCEEDED
    assert [sum(one.ran.values()) for one in (first, second)] == [1, 1]


def test_a_cancelled_execution_ends_at_its_module(
    platform: RunningPlatform, worker: WorkerProcess, make_module: Callable[[], SdkModule]
) -> None:
    module = make_module()
    module.released.clear()
    workflow = store_chain(platform, module, next_due_at=None)
    execution = run_workflow(platform.store, workflow, ALICE, utc_now())
    eventually(lambda: module.ran)
    cancelled = cancel_execution(platform.store, execution.id, ALICE, utc_now())
    assert cancelled.status is ExecutionStatus.CANCELLED
    module.released.set()
    message = cancelled.steps[0].tries[0].message_id
    eventually(lambda: platform.store.results.get(message), 20)
    assert read(platform, execution.id).status is ExecutionStatus.CANCELLED
