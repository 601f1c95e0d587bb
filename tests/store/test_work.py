"""What is stored of work comes back as it was: messages, results, workflows, executions."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from pymongo import MongoClient

from shared.domain.execution import ExecutionStatus
from shared.domain.message import EndReason, MessageStatus, Progress
from shared.domain.result import LateResult, ResultStatus
from shared.domain.workflow import Pause
from shared.services.queueing import queue_messages
from shared.settings import Settings
from shared.store import Store
from tests.support.builders import (
    ACTOR,
    NODE,
    NOON,
    make_execution,
    make_message,
    make_result,
    make_step_run,
    make_step_try,
    make_workflow,
)
from tests.support.registry import Registry


def test_a_message_comes_back_whole(store: Store) -> None:
    message = make_message(
        node=NODE,
        push="batch-1",
        sent_at=NOON,
        cancel_requested_by=ACTOR,
        progress=Progress(percent=40.0, note="fitted", at=NOON),
        fallback=("f" * 64,),
    )
    assert store.messages.insert([message]) == 1
    assert store.messages.get(message.id) == message


def test_the_same_message_is_inserted_once(store: Store) -> None:
    message = make_message()
    assert store.messages.insert([message]) == 1
    assert store.messages.insert([replace(message, content='"other"'), make_message(id="b")]) == 1
    assert store.messages.read([message.id, "b", "missing"])[message.id] == message


def test_a_message_of_a_newer_release_is_left_alone(
    store: Store, settings: Settings, plain_client: MongoClient[dict[str, Any]]
) -> None:
    store.messages.insert([make_message()])
    plain_client[settings.mongodb_name]["messages"].update_one({}, {"$set": {"status": "pondered"}})
    found = store.messages.get(make_message().id)
    assert found is not None
    assert found.status is MessageStatus.DEAD


def test_a_result_comes_back_whole_and_the_first_one_wins(store: Store) -> None:
    result = make_result(reason=EndReason.MODULE_FAILURE, error="no data", remark="NaN became null")
    assert store.results.insert([result, make_result(message_id="b")]) == 2
    assert store.results.insert([replace(result, status=ResultStatus.FAILURE)]) == 0
    assert store.results.get(result.message_id) == result
    late = LateResult(at=NOON, status=ResultStatus.SUCCESS, content="1")
    for _ in range(5):
        store.results.add_late(result.message_id, late)
    assert store.results.read([result.message_id])[result.message_id].late == (late,) * 3


def test_a_workflow_comes_back_whole(store: Store) -> None:
    workflow = make_workflow(
        next_due_at=NOON, pause=Pause(at=NOON, actor=ACTOR, reason="operator", note="holidays")
    )
    assert store.workflows.insert(workflow)
    assert not store.workflows.insert(replace(workflow, name="other"))
    assert store.workflows.get(workflow.workflow_id) == workflow
    assert store.workflows.all() == [workflow]


def test_an_execution_comes_back_whole_and_a_stale_writer_is_refused(store: Store) -> None:
    tried = make_step_try(ended_at=NOON, reason=EndReason.NO_ACK)
    execution = make_execution(
        steps=(make_step_run(tries=(tried,), reason=EndReason.NO_ACK),),
        cancel_requested_by=ACTOR,
        expected_by=NOON + timedelta(minutes=5),
    )
    assert store.executions.insert([execution]) == 1
    assert store.executions.get(execution.id) == execution
    ended = replace(execution, status=ExecutionStatus.FAILED, revision=execution.revision + 1)
    assert store.executions.replace(execution, ended)
    assert not store.executions.replace(execution, ended)
    assert store.executions.get(execution.id) == ended


def test_what_an_execution_does_not_wait_for_any_more_is_gone(store: Store) -> None:
    failed = make_step_try(ended_at=NOON, reason=EndReason.NO_ACK)
    waits = make_step_run(tries=(failed,), next_try_at=NOON, reason=EndReason.NO_ACK, error="lost")
    execution = make_execution(steps=(waits,))
    store.executions.insert([execution])
    tried = replace(waits, tries=(failed, make_step_try()), next_try_at=None, reason=None)
    going_on = replace(execution, steps=(replace(tried, error=None),), revision=2)
    assert store.executions.replace(execution, going_on)
    assert store.executions.get(execution.id) == going_on


def test_a_message_is_addressed_to_the_node_of_its_modules_session(
    store: Store, registry: Registry
) -> None:
    connected = registry.connect(registry.register("online")).module_hash
    waiting = registry.register("offline").module_hash
    queue_messages(
        store,
        [
            make_message(id="a", module_hash=connected, node=None),
            make_message(id="b", module_hash=waiting, node=None),
        ],
    )
    found = store.messages.read(["a", "b"])
    assert (found["a"].node, found["b"].node) == (NODE, None)
