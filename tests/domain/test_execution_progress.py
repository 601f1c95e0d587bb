"""What an execution does next, for any workflow and whatever its modules answer."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.execution import Execution, ExecutionStatus, StepStatus
from shared.domain.execution_progress import (
    RETRY_BASE_SECONDS,
    RETRY_LONGEST_SECONDS,
    NoChoice,
    advance,
    cancel,
    hold_step,
    left_out,
    named_modules,
    open_messages,
    ready_steps,
    retry_seconds,
    start_step,
)
from shared.domain.ids import MessageId, ModuleHash
from shared.domain.message import EndReason
from shared.domain.result import Result, ResultStatus
from shared.domain.routing import Choice
from shared.domain.workflow import Workflow
from tests.support.builders import NOON, make_execution, make_result, make_step, make_workflow

SECOND = timedelta(seconds=1)
MODULES = [ModuleHash(letter * 64) for letter in "abcd"]
LOST = (ResultStatus.DEAD, EndReason.NO_ACK)
TIMED_OUT = (ResultStatus.TIMED_OUT, EndReason.NO_RESULT)
NOT_STARTED = (ResultStatus.TIMED_OUT, EndReason.NOT_STARTED)
FAILED = (ResultStatus.FAILURE, EndReason.MODULE_FAILURE)
EXPIRED = (ResultStatus.EXPIRED, EndReason.LIFE_OVER)
CANCELLED = (ResultStatus.CANCELLED, EndReason.OPERATOR)
SUCCESS = (ResultStatus.SUCCESS, None)
ENDS = (SUCCESS, LOST, TIMED_OUT, NOT_STARTED, FAILED, EXPIRED, CANCELLED)

End = tuple[ResultStatus, EndReason | None]


def execution_of(workflow: Workflow) -> Execution:
    return make_execution(workflow=workflow)


def chain(*names: str, **overrides: object) -> Workflow:
    """Return a workflow of steps that come one after another."""
    steps = [
        make_step(name=name, module_hash=MODULES[0], after=tuple(names[n - 1 : n] if n else ()))
        for n, name in enumerate(names)
    ]
    return make_workflow(steps=tuple(steps), **overrides)


def start_all(execution: Execution, now: datetime) -> Execution:
    """Start what is ready, each step with the first module that is not left out."""
    for position in ready_steps(execution, now):
        step, run = execution.workflow.steps[position], execution.steps[position]
        module = next(m for m in named_modules(step) if m not in left_out(run))
        execution = start_step(
            execution, position, Choice(module_hash=module, because="named"), now
        )
    return execution


def end(execution: Execution, how: End, now: datetime, **overrides: object) -> Execution:
    """End all open messages in this way."""
    results = {
        message: make_result(message_id=message, at=now, status=how[0], reason=how[1], **overrides)
        for message in open_messages(execution)
    }
    return advance(execution, results, now)


def statuses(execution: Execution) -> list[StepStatus]:
    return [run.status for run in execution.steps]


def test_a_step_starts_when_the_steps_before_it_succeeded() -> None:
    execution = execution_of(chain("load", "price"))
    assert ready_steps(execution, NOON) == [0]
    execution = start_all(execution, NOON)
    assert ready_steps(execution, NOON) == []
    execution = end(execution, SUCCESS, NOON)
    assert execution.status is ExecutionStatus.RUNNING
    assert ready_steps(execution, NOON) == [1]
    execution = end(start_all(execution, NOON), SUCCESS, NOON + SECOND)
    assert execution.status is ExecutionStatus.SUCCEEDED
    assert execution.ended_at == NOON + SECOND


def test_steps_after_a_failed_one_are_skipped_down_to_the_last() -> None:
    execution = end(start_all(execution_of(chain("a", "b", "c")), NOON), FAILED, NOON)
    assert statuses(execution) == [StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.SKIPPED]
    assert [run.reason for run in execution.steps[1:]] == [EndReason.UPSTREAM_FAILED] * 2
    assert (execution.status, execution.reason) == (
        ExecutionStatus.FAILED,
        EndReason.MODULE_FAILURE,
    )


def test_a_branch_beside_a_failed_step_goes_on() -> None:
    steps = (make_step(name="a"), make_step(name="b"), make_step(name="c", after=("b",)))
    execution = start_all(execution_of(make_workflow(steps=steps)), NOON)
    failed = make_result(
        message_id=execution.steps[0].tries[0].message_id,
        status=ResultStatus.FAILURE,
        reason=EndReason.MODULE_FAILURE,
    )
    execution = advance(execution, {failed.message_id: failed}, NOON)
    assert execution.status is ExecutionStatus.RUNNING
    execution = end(execution, SUCCESS, NOON)
    execution = end(start_all(execution, NOON), SUCCESS, NOON)
    assert statuses(execution) == [StepStatus.FAILED, StepStatus.SUCCEEDED, StepStatus.SUCCEEDED]
    assert execution.status is ExecutionStatus.FAILED


def next_look(execution: Execution) -> datetime | None:
    """Return when a step's next try is due, if one waits for its time."""
    return min((run.next_try_at for run in execution.steps if run.next_try_at), default=None)


@pytest.mark.parametrize("how", [LOST, TIMED_OUT, NOT_STARTED])
def test_what_was_lost_or_took_too_long_is_tried_again_as_often_as_allowed(how: End) -> None:
    execution, now = execution_of(chain("a", retries=2)), NOON
    for _ in range(3):
        execution = end(start_all(execution, now), how, now)
        now = next_look(execution) or now
    assert len(execution.steps[0].tries) == 3
    assert execution.status in (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT)
    assert execution.reason is how[1]


@pytest.mark.parametrize("how", [FAILED, EXPIRED, CANCELLED])
def test_a_modules_own_failure_is_not_tried_again(how: End) -> None:
    execution = end(start_all(execution_of(chain("a")), NOON), how, NOON)
    assert execution.status.is_final
    assert len(execution.steps[0].tries) == 1


def test_a_module_that_names_a_time_is_asked_again_then() -> None:
    execution = start_all(execution_of(chain("a")), NOON)
    execution = end(execution, FAILED, NOON, retry_after_seconds=90.0)
    assert next_look(execution) == NOON + timedelta(seconds=90)
    assert ready_steps(execution, NOON + timedelta(seconds=89)) == []
    assert ready_steps(execution, NOON + timedelta(seconds=90)) == [0]


@pytest.mark.parametrize("how", [FAILED, LOST, EXPIRED])
def test_a_fallback_is_next_at_once_whatever_the_reason(how: End) -> None:
    steps = (make_step(module_hash=MODULES[0], fallback=(MODULES[1], MODULES[2])),)
    execution = execution_of(make_workflow(steps=steps, retries=0))
    for _ in range(3):
        execution = end(start_all(execution, NOON), how, NOON)
    assert [a_try.module_hash for a_try in execution.steps[0].tries] == MODULES[:3]
    assert execution.status.is_final


def test_a_kind_without_a_module_is_waited_for_and_given_up_in_the_end() -> None:
    steps = (make_step(module_hash=None, mission_kind="load"),)
    execution = execution_of(make_workflow(steps=steps, timeout_seconds=60.0))
    none = NoChoice(reason=EndReason.NO_MODULE, error="none")
    held = hold_step(execution, 0, none, NOON)
    assert held.status is ExecutionStatus.RUNNING
    assert ready_steps(held, NOON) == []
    later = NOON + timedelta(seconds=91)
    assert ready_steps(held, later) == [0]
    given_up = hold_step(held, 0, none, later)
    assert (given_up.status, given_up.reason) == (ExecutionStatus.FAILED, EndReason.NO_MODULE)


def test_a_step_says_that_it_waits_for_a_module_of_its_kind() -> None:
    steps = (make_step(module_hash=None, mission_kind="load"),)
    none = NoChoice(reason=EndReason.NO_MODULE, error="none")
    held = hold_step(execution_of(make_workflow(steps=steps)), 0, none, NOON)
    assert (held.steps[0].reason, held.steps[0].error) == (EndReason.NO_MODULE, "none")
    sent = start_step(held, 0, Choice(module_hash=MODULES[0], because="the only one"), NOON)
    assert (sent.steps[0].reason, sent.steps[0].error) == (None, None)


def test_a_step_without_a_module_for_its_next_try_ends_for_that_reason() -> None:
    steps = (make_step(module_hash=None, mission_kind="load"),)
    execution = execution_of(make_workflow(steps=steps))
    choice = Choice(module_hash=MODULES[0], because="the only one")
    asked = end(start_step(execution, 0, choice, NOON), FAILED, NOON, retry_after_seconds=3600.0)
    none = NoChoice(reason=EndReason.NO_MODULE, error="none")
    ended = hold_step(asked, 0, none, NOON + timedelta(hours=1))
    assert (ended.status, ended.reason) == (ExecutionStatus.FAILED, EndReason.NO_MODULE)


def test_a_module_that_is_gone_ends_its_step() -> None:
    none = NoChoice(reason=EndReason.UNKNOWN_MODULE, error="gone")
    execution = hold_step(execution_of(chain("a", "b")), 0, none, NOON)
    assert statuses(execution) == [StepStatus.FAILED, StepStatus.SKIPPED]
    assert execution.reason is EndReason.UNKNOWN_MODULE


def test_cancelling_leaves_what_had_ended() -> None:
    execution = end(start_all(execution_of(chain("a", "b")), NOON), SUCCESS, NOON)
    execution = cancel(execution, EndReason.OPERATOR, NOON)
    assert statuses(execution) == [StepStatus.SUCCEEDED, StepStatus.CANCELLED]
    assert execution.status is ExecutionStatus.CANCELLED


@given(number=st.integers(0, 1000), retries=st.integers(0, 50))
def test_two_workers_wait_equally_long_before_another_try(number: int, retries: int) -> None:
    seconds = retry_seconds(MessageId(f"1-20260301T120000.0.{number}"), retries)
    assert seconds == retry_seconds(MessageId(f"1-20260301T120000.0.{number}"), retries)
    assert 0 <= seconds <= min(RETRY_BASE_SECONDS * 2**retries, RETRY_LONGEST_SECONDS)


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    """Draw a workflow without circles, in any order of its steps."""
    count = draw(st.integers(1, 5))
    steps = [
        make_step(
            name=f"step-{n}",
            module_hash=MODULES[0],
            fallback=tuple(MODULES[1 : 1 + draw(st.integers(0, 2))]),
            after=tuple(f"step-{m}" for m in range(n) if draw(st.booleans())),
        )
        for n in range(count)
    ]
    return make_workflow(steps=tuple(draw(st.permutations(steps))), retries=draw(st.integers(0, 3)))


def answers(execution: Execution, data: st.DataObject, now: datetime) -> dict[MessageId, Result]:
    """Draw the ends of at least one of the open messages."""
    open_ones = open_messages(execution)
    chosen = data.draw(st.lists(st.sampled_from(open_ones), min_size=1, unique=True))
    return {message: draw_result(message, data, now) for message in chosen}


def draw_result(message: MessageId, data: st.DataObject, now: datetime) -> Result:
    status, reason = data.draw(st.sampled_from(ENDS))
    after = data.draw(st.sampled_from([None, 0.0, 5.0])) if reason is FAILED[1] else None
    return make_result(
        message_id=message, at=now, status=status, reason=reason, retry_after_seconds=after
    )


def play(execution: Execution, data: st.DataObject) -> Iterator[Execution]:
    """Yield an execution as it goes on, until nothing is left to do."""
    now = NOON
    while not execution.status.is_final:
        execution = start_all(execution, now)
        yield execution
        if open_messages(execution):
            results = answers(execution, data, now)
            execution = advance(execution, results, now)
            assert advance(execution, results, now) is execution, "it is not the same twice"
            yield execution
        now = max(now, next_look(execution) or now)


@given(workflow=workflows(), data=st.data())
def test_every_execution_comes_to_an_end(workflow: Workflow, data: st.DataObject) -> None:
    states = list(play(execution_of(workflow), data))
    last = states[-1]
    assert last.status.is_final
    assert all(run.status.is_final for run in last.steps)
    assert (last.status is ExecutionStatus.SUCCEEDED) == (
        set(statuses(last)) == {StepStatus.SUCCEEDED}
    )
    for step, run in zip(workflow.steps, last.steps, strict=True):
        assert len(run.tries) <= 1 + workflow.retries + len(step.fallback)
        assert (run.status is StepStatus.SKIPPED) == (not run.tries)
    ids = [a_try.message_id for run in last.steps for a_try in run.tries]
    assert len(ids) == len(set(ids))


@given(workflow=workflows(), data=st.data())
def test_no_step_begins_before_those_that_it_comes_after(
    workflow: Workflow, data: st.DataObject
) -> None:
    for state in play(execution_of(workflow), data):
        status = {run.name: run.status for run in state.steps}
        for step in workflow.steps:
            if status[step.name] is not StepStatus.WAITING and step.after:
                before = {status[name] for name in step.after}
                skipped = status[step.name] is StepStatus.SKIPPED
                assert (before == {StepStatus.SUCCEEDED}) or skipped


def test_what_waits_or_has_ended_does_not_go_on() -> None:
    execution = start_all(execution_of(chain("a")), NOON)
    waiting = replace(execution, status=ExecutionStatus.WAITING)
    assert end(waiting, SUCCESS, NOON) is waiting
    assert (
        ready_steps(replace(execution_of(chain("a")), status=ExecutionStatus.WAITING), NOON) == []
    )
