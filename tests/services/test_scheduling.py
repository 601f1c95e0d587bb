"""Due workflows fire, on a real database."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.execution import Execution, ExecutionStatus, scheduled_id
from shared.domain.ids import WorkflowId
from shared.domain.message import Message
from shared.domain.module import Module
from shared.domain.workflow import Workflow
from shared.services.advancing import advance_executions
from shared.services.scheduling import Fired, fire_due
from shared.store import Store
from tests.support.builders import make_result, make_step, make_workflow
from tests.support.registry import Registry

MINUTE = timedelta(minutes=1)
# 20:00 in Shanghai is noon in UTC.
EVERY_MINUTE, DAILY = "* * * * *", "0 20 * * *"


@pytest.fixture
def module(registry: Registry) -> Module:
    registry.enrol()
    return registry.connect(registry.register("load-72h", mission_kind="load"))


def schedule(store: Store, module: Module, **overrides: Any) -> Workflow:
    """Store a workflow of one step that is due at noon."""
    values: dict[str, Any] = {
        "steps": (make_step(module_hash=module.module_hash),),
        "crons": (DAILY,),
        "next_due_at": registry_noon(),
    }
    workflow = make_workflow(**values | overrides)
    assert store.workflows.insert(workflow)
    return workflow


def registry_noon() -> datetime:
    from tests.support.builders import NOON

    return NOON


def messages_of(store: Store, execution: Execution) -> list[Message]:
    ids = [a_try.message_id for run in execution.steps for a_try in run.tries]
    return list(store.messages.read(ids).values())


def execution_at(store: Store, due_at: datetime) -> Execution:
    found = store.executions.get(scheduled_id(WorkflowId(1), due_at))
    assert found is not None
    return found


def test_a_due_workflow_becomes_an_execution_and_a_message(
    store: Store, module: Module, now: datetime
) -> None:
    schedule(store, module)
    assert fire_due(store, now) == Fired(found=1, moved=1)
    execution = execution_at(store, now)
    assert execution.status is ExecutionStatus.RUNNING
    (message,) = messages_of(store, execution)
    assert message.module_hash == module.module_hash
    assert message.mission_kind == "load"
    content = json.loads(message.content)
    assert content["type"] == "execute"
    assert content["meta"]["execution_time"] == "2026-03-01T20:00:00"
    assert content["meta"]["execution_id"] == execution.id
    workflow = store.workflows.get(WorkflowId(1))
    assert workflow is not None
    assert workflow.next_due_at == now + timedelta(days=1)
    assert fire_due(store, now) == Fired()


def test_a_result_ends_the_execution(store: Store, module: Module, now: datetime) -> None:
    schedule(store, module)
    fire_due(store, now)
    execution = execution_at(store, now)
    (message,) = messages_of(store, execution)
    store.results.insert([make_result(message_id=message.id, at=now + MINUTE)])
    advance_executions(store, [execution], now + MINUTE)
    assert execution_at(store, now).status is ExecutionStatus.SUCCEEDED
    assert store.executions.unfinished() == {}
