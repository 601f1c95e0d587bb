"""Executions are brought forward before a firing is skipped or queued for them."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.domain.actor import PLATFORM
from shared.domain.event import execution_subject
from shared.domain.execution import ExecutionStatus, StepStatus
from shared.domain.ids import WorkflowId
from shared.domain.message import EndReason
from shared.domain.workflow import Overlap
from shared.services.advancing import advance_executions
from shared.services.executions import cancel_execution
from shared.services.scheduling import fire_due
from shared.store import Store
from tests.support.builders import ACTOR
from tests.support.killed_store import KilledStore
from tests.support.registry import Registry
from tests.support.schedules import Schedules, fail

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
EVERY_MINUTE = "* * * * *"
SUCCEEDED, RUNNING = ExecutionStatus.SUCCEEDED, ExecutionStatus.RUNNING


@pytest.fixture
def schedules(store: Store, registry: Registry) -> Schedules:
    return Schedules(store, registry)


@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.QUEUE])
def test_what_has_ended_since_the_last_look_is_not_in_the_way(
    schedules: Schedules, store: Store, now: datetime, overlap: Overlap
) -> None:
    schedules.add(crons=(EVERY_MINUTE,), overlap=overlap)
    schedules.work(now)
    schedules.answer(now + MINUTE - SECOND)
    fire_due(store, now + MINUTE)  # no monitor has looked at the result
    assert [execution.status for execution in schedules.all()] == [SUCCEEDED, RUNNING]
    assert len(schedules.open()) == 1


def test_what_is_overdue_since_the_last_look_is_not_in_the_way(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add(crons=(EVERY_MINUTE,), start_timeout_seconds=20.0, retries=0)
    schedules.work(now)
    fire_due(store, now + MINUTE)
    first, second = schedules.all()
    assert (first.status, first.reason) == (ExecutionStatus.TIMED_OUT, EndReason.LIFE_OVER)
    assert second.status is RUNNING


def test_a_retry_is_told_which_try_of_its_step_it_is(schedules: Schedules, now: datetime) -> None:
    schedules.add()
    schedules.work(now)
    schedules.answer(now, lambda message: replace(fail(message), retry_after_seconds=60.0))
    for seconds in (1, 61):
        schedules.work(now + seconds * SECOND)
    tries = [json.loads(message.content)["meta"]["try"] for message in schedules.messages()]
    assert tries == [1, 2]


def test_what_shall_be_cancelled_is_not_in_the_way(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add(crons=(EVERY_MINUTE,))
    schedules.work(now)
    (first,) = schedules.all()
    cancelled = replace(first, cancel_requested_by=PLATFORM, revision=first.revision + 1)
    store.executions.replace(first, cancelled)
    fire_due(store, now + MINUTE)
    cancelled = ExecutionStatus.CANCELLED
    assert [execution.status for execution in schedules.all()] == [cancelled, RUNNING]


def test_what_goes_on_to_its_next_step_is_still_in_the_way(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add("load", "price", crons=(EVERY_MINUTE,))
    schedules.work(now)
    schedules.answer(now + SECOND)
    fire_due(store, now + MINUTE)
    first, second = schedules.all()
    assert (first.status, second.status) == (RUNNING, ExecutionStatus.SKIPPED)
    assert first.steps[1].status is StepStatus.SENT
    assert len(schedules.open()) == 1


@pytest.mark.parametrize("survived", range(16))
def test_a_worker_killed_while_it_clears_the_way_is_made_good_for(
    schedules: Schedules, store: Store, now: datetime, survived: int
) -> None:
    schedules.add(crons=(EVERY_MINUTE,))
    schedules.work(now)
    schedules.answer(now + SECOND)
    with suppress(KeyboardInterrupt):
        fire_due(KilledStore(store, survived), now + MINUTE)  # type: ignore[arg-type]
    schedules.run(now + MINUTE)
    executions = schedules.all()
    assert [execution.due_at for execution in executions] == [now, now + MINUTE]
    assert {execution.status for execution in executions} == {SUCCEEDED}
    assert len(schedules.messages()) == 2


def test_two_workers_that_clear_the_way_at_once_fire_once(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add(crons=(EVERY_MINUTE,))
    schedules.work(now)
    schedules.answer(now + SECOND)
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(lambda _: fire_due(store, now + MINUTE), range(4)))
    schedules.run(now + MINUTE)
    assert [execution.status for execution in schedules.all()] == [SUCCEEDED, SUCCEEDED]
    assert len(schedules.messages()) == 2


def test_an_end_that_another_process_was_faster_to_write_is_not_told(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add(pause_after_failures=1)
    schedules.work(now)
    (read,) = schedules.all()
    cancel_execution(store, read.id, ACTOR, now)
    store.results._collection.delete_many({})
    store.results.insert([fail(message) for message in schedules.messages()])
    advance_executions(store, [read], now + SECOND)
    (execution,) = schedules.all()
    told = [event.what for event in store.events.find(subject=execution_subject(execution.id))]
    assert (execution.status, told) == (ExecutionStatus.CANCELLED, ["cancelled"])
    workflow = schedules.workflow()
    assert (workflow.failures_in_a_row, workflow.pause) == (0, None)


def test_the_ends_of_a_batch_that_was_written_in_part_are_told(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    for number in (1, 2):
        schedules.add(workflow_id=WorkflowId(number), pause_after_failures=1)
    schedules.work(now)
    cancelled, failed = schedules.all()
    cancel_execution(store, cancelled.id, ACTOR, now)
    store.results.insert([fail(message) for message in schedules.messages()])
    assert advance_executions(store, [cancelled, failed], now + SECOND) == []
    assert schedules.workflow(1).pause is None
    assert schedules.workflow(2).pause is not None
    assert store.executions.unnoted_ends(10) == []


def test_a_success_is_noted_before_its_end_is_written(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    schedules.add(crons=(EVERY_MINUTE,))
    schedules.run(now, fail)
    assert schedules.workflow().failures_in_a_row == 1
    schedules.work(now + MINUTE)
    schedules.answer(now + MINUTE)
    (_, second) = schedules.all()
    with pytest.raises(KeyboardInterrupt):
        advance_executions(KilledStore(store, 1), [second], now + MINUTE)  # type: ignore[arg-type]
    assert schedules.workflow().failures_in_a_row == 0
    assert schedules.all()[1].status is RUNNING
    assert advance_executions(store, [second], now + MINUTE)
    assert store.executions.unnoted_ends(10) == []


def test_executions_that_go_on_alike_are_written_together(
    schedules: Schedules, store: Store, now: datetime
) -> None:
    for number in range(1, 4):
        schedules.add("load", "price", workflow_id=WorkflowId(number))
    schedules.work(now)
    schedules.answer(now + SECOND)
    executions = schedules.all()
    cancel_execution(store, executions[0].id, ACTOR, now)
    assert advance_executions(store, executions, now + SECOND) == []
    cancelled, *others = schedules.all()
    assert cancelled.status is ExecutionStatus.CANCELLED
    assert [execution.revision for execution in others] == [2, 2]
    advance_executions(store, others, now + SECOND)
    assert len(schedules.open()) == 2
