"""Operators run a workflow now, cancel an execution, or try one again."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier

import pytest

from shared.domain.event import execution_subject
from shared.domain.execution import Execution, ExecutionStatus, StepStatus, Trigger
from shared.domain.ids import ExecutionId
from shared.domain.message import CANCEL_LIFE, EndReason, Message, MessageStatus
from shared.domain.result import Result
from shared.errors import Conflict, NotFound
from shared.services import advancing
from shared.services.advancing import advance_executions
from shared.services.executions import cancel_execution, retry_execution, run_workflow
from shared.services.message_deadlines import check_pushed, check_queued, end_overdue
from shared.services.step_sending import send_messages
from shared.store import Store
from tests.support.builders import ACTOR, make_step
from tests.support.killed_store import KilledStore
from tests.support.registry import Registry
from tests.support.schedules import Schedules, fail, succeed

CANCELLED, SUCCEEDED = ExecutionStatus.CANCELLED, ExecutionStatus.SUCCEEDED


@pytest.fixture
def schedules(store: Store, registry: Registry) -> Schedules:
    return Schedules(store, registry)


def fail_second(message: Message) -> Result:
    """Answer as a module does that cannot do the second step."""
    return fail(message) if message.step == "price" else succeed(message)


def only(schedules: Schedules) -> Execution:
    (execution,) = schedules.all()
    return execution


def test_a_workflow_runs_now_whatever_its_schedule_says(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    workflow = schedules.add(next_due_at=None)
    execution = run_workflow(store, workflow, ACTOR, now)
    assert (execution.trigger, execution.actor) == (Trigger.OPERATOR, ACTOR)
    schedules.run(now)
    assert only(schedules).status is SUCCEEDED


def test_two_runs_in_one_second_are_two_executions(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    workflow = schedules.add(next_due_at=None)
    first, second = (run_workflow(store, workflow, ACTOR, now) for _ in range(2))
    assert first.id != second.id
    assert len(schedules.messages()) == 2


def test_cancelling_ends_what_waits_in_a_queue(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add("load", "price")
    schedules.work(now)
    cancelled = cancel_execution(store, only(schedules).id, ACTOR, now)
    assert (cancelled.status, cancelled.cancel_requested_by) == (CANCELLED, ACTOR)
    assert [run.status for run in cancelled.steps] == [StepStatus.CANCELLED] * 2
    (message,) = schedules.messages()
    assert message.status is MessageStatus.CANCELLED
    result = store.results.get(message.id)
    assert result is not None
    assert result.reason is EndReason.EXECUTION_OVER
    (event,) = store.events.find(subject=execution_subject(cancelled.id))
    assert (event.what, event.actor) == ("cancelled", ACTOR)


def test_cancelling_asks_a_module_to_give_up_what_it_has(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add()
    schedules.work(now)
    (message,) = schedules.messages()
    sent = {"status": "acked", "deadline_at": now + timedelta(hours=1)}
    store.messages._collection.update_one({"_id": message.id}, {"$set": sent})
    cancel_execution(store, only(schedules).id, ACTOR, now)
    (message,) = schedules.messages()
    assert (message.status, message.cancel_requested_at) == (MessageStatus.ACKED, now)
    assert message.deadline_at == now + timedelta(seconds=15)


@pytest.mark.parametrize("survived", range(8))
def test_a_cancelling_that_was_killed_is_finished_by_the_worker(
    schedules: Schedules, store: Store, now: datetime, survived: int
) -> None:
    schedules.add()
    schedules.work(now)
    try:
        killed = KilledStore(store, survived)
        cancel_execution(killed, only(schedules).id, ACTOR, now)  # type: ignore[arg-type]
    except KeyboardInterrupt:
        pass
    if only(schedules).cancel_requested_by is None:
        return  # it was killed before its first write: there is no wish to carry out
    schedules.work(now)
    assert only(schedules).status is CANCELLED
    assert [message.status for message in schedules.messages()] == [MessageStatus.CANCELLED]


def test_what_is_cancelled_before_its_message_is_queued_does_not_run(
    schedules: Schedules, store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedules.add("load", "price")
    schedules.work(now)
    schedules.answer(now)
    execution = only(schedules)
    with monkeypatch.context() as patch:
        patch.setattr(advancing, "send_messages", lambda *_: None)  # killed before it
        (going_on,) = advance_executions(store, [execution], now)
    cancel_execution(store, execution.id, ACTOR, now)
    send_messages(store, [going_on], now)
    assert {m.step: m.status for m in schedules.messages()} == {
        "load": MessageStatus.SUCCEEDED,
        "price": MessageStatus.CANCELLED,
    }


@pytest.mark.parametrize("status", ["queued", "acked"])
def test_a_message_that_outlived_its_execution_is_given_up(
    schedules: Schedules, store: Store, now: datetime, status: str
) -> None:
    schedules.add()
    schedules.work(now)
    cancelled = {"$set": {"status": "cancelled"}}
    store.executions._collection.update_one({"_id": only(schedules).id}, cancelled)
    (message,) = schedules.messages()
    pushed = {"$set": {"status": status, "sent_at": now - timedelta(minutes=1)}}
    store.messages._collection.update_one({"_id": message.id}, pushed)
    check_queued(store, now, None)
    check_pushed(store, now, None)
    end_overdue(store, now + CANCEL_LIFE)
    (message,) = schedules.messages()
    assert message.status is MessageStatus.CANCELLED


def test_what_has_ended_cannot_be_cancelled(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add()
    schedules.run(now)
    with pytest.raises(Conflict, match="has ended: succeeded"):
        cancel_execution(store, only(schedules).id, ACTOR, now)
    with pytest.raises(NotFound):
        cancel_execution(store, ExecutionId("nothing"), ACTOR, now)


def test_a_retry_keeps_what_succeeded_and_does_the_rest_again(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add("load", "price")
    schedules.run(now, fail_second)
    failed = only(schedules)
    assert failed.status is ExecutionStatus.FAILED
    later = now + timedelta(minutes=5)
    retried = retry_execution(store, failed.id, ACTOR, later)
    assert (retried.trigger, retried.retry_of, retried.due_at) == (
        Trigger.RETRY,
        failed.id,
        failed.due_at,
    )
    schedules.run(later)
    assert [m.step for m in schedules.messages()] == ["load", "price", "price"]
    assert schedules.messages()[-1].content.count('"values"') == 1  # the input of its first step
    ended = store.executions.get(retried.id)
    assert ended is not None
    assert ended.status is SUCCEEDED


def test_a_retry_that_needs_purged_results_is_refused(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add("load", "price")
    schedules.run(now, fail_second)
    store.results.purge(now + timedelta(days=30), 10)
    with pytest.raises(Conflict, match="The results of 'load' are purged"):
        retry_execution(store, only(schedules).id, ACTOR, now)
    assert len(schedules.all()) == 1


def test_the_retry_of_an_old_execution_is_not_purged_with_it(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add("load", "price")
    schedules.run(now, fail_second)
    old, later = only(schedules), now + timedelta(days=89)
    retry = retry_execution(store, old.id, ACTOR, later)
    cancel_execution(store, retry.id, ACTOR, later)
    assert store.executions.purge(later, 10) == 1
    assert only(schedules).id == retry.id


def test_a_retry_takes_the_workflow_as_it_was_mended(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    workflow = schedules.add()
    schedules.run(now, fail)
    mended = make_step(module_hash=schedules.module.module_hash, args={"region": "south"})
    store.workflows._collection.delete_one({"_id": 1})
    store.workflows.insert(replace(workflow, version=2, steps=(mended,)))
    retried = retry_execution(store, only(schedules).id, ACTOR, now + timedelta(minutes=5))
    assert retried.workflow.version == 2
    assert "south" in schedules.messages()[-1].content


def test_what_runs_or_succeeded_is_not_tried_again(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add()
    schedules.work(now)
    with pytest.raises(Conflict, match="still running"):
        retry_execution(store, only(schedules).id, ACTOR, now)
    schedules.run(now)
    with pytest.raises(Conflict, match="succeeded"):
        retry_execution(store, only(schedules).id, ACTOR, now)


def test_a_retry_of_a_retry_is_another_one(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add()
    schedules.run(now, fail)
    first = only(schedules)
    second = retry_execution(store, first.id, ACTOR, now)
    schedules.run(now, fail)
    third = retry_execution(store, second.id, ACTOR, now)
    assert (second.id, third.id) == (f"{first.id}~2", f"{first.id}~3")
    with pytest.raises(Conflict, match=f"was retried already, as {second.id}, which is failed"):
        retry_execution(store, first.id, ACTOR, now)


def test_of_operators_that_retry_at_once_one_does_and_the_others_hear_of_it(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add()
    schedules.run(now, fail)
    failed = only(schedules)
    together = Barrier(4)

    def retry(_: int) -> str:
        together.wait(10)
        try:
            return retry_execution(store, failed.id, ACTOR, now).id
        except Conflict as error:
            return error.message

    with ThreadPoolExecutor(4) as operators:
        answers = sorted(operators.map(retry, range(4)))
    new = f"{failed.id}~2"
    assert answers[0] == new
    assert all(f"was retried already, as {new}, which is running" in a for a in answers[1:])
    assert len(schedules.all()) == len(schedules.messages()) == 2
