"""Why: the voice of the sentences, one example for each kind of cause."""

from datetime import timedelta
from typing import Any

from shared.domain.closing import OfflineReason
from shared.domain.event import (
    was_decided,
    went_offline,
)
from shared.domain.execution import (
    ExecutionStatus,
    StepRun,
    StepStatus,
    Trigger,
)
from shared.domain.facts import Span
from shared.domain.message import EndReason
from shared.domain.why import explain, explain_unrecorded
from tests.support.builders import (
    ACTOR,
    NOON,
    make_execution,
    make_message,
    make_step,
    make_step_run,
    make_step_try,
    make_workflow,
)
from tests.support.facts import HASH, at, away, facts


def ended_step(reason: EndReason, *, tries: int = 1, error: str | None = None) -> StepRun:
    made = tuple(
        make_step_try(
            message_id=f"m{number}",
            module_hash=HASH,
            at=at(number * 2),
            ended_at=at(number * 2 + 1),
            reason=reason,
            error=error,
        )
        for number in range(tries)
    )
    return make_step_run(
        status=StepStatus.FAILED, tries=made, reason=reason, error=error, ended_at=at(tries * 2)
    )


def failed(step: StepRun, status: ExecutionStatus = ExecutionStatus.FAILED) -> Any:
    workflow = make_workflow(steps=(make_step(module_hash=HASH),))
    return make_execution(
        workflow=workflow, status=status, reason=step.reason, steps=(step,), ended_at=step.ended_at
    )


def test_a_modules_own_failure() -> None:
    step = ended_step(EndReason.MODULE_FAILURE, error="no weather data")
    message = make_message(
        id="m0", module_hash=HASH, created_at=NOON, sent_at=at(0.8), acked_at=at(0.8), attempt=1
    )
    assert explain(failed(step), facts(messages={"m0": message})).sentence == (
        "failed: the module load-72h answered 'no weather data' after 12 s "
        "(attempt 1; a module's own failure is not retried)"
    )


def test_a_module_that_was_away_for_longer_than_the_messages_life() -> None:
    step = ended_step(EndReason.LIFE_OVER, tries=3)
    lives = {
        f"m{number}": make_message(
            id=f"m{number}",
            module_hash=HASH,
            created_at=at(number * 2),
            useful_until=at(number * 2 + 10),
        )
        for number in range(3)
    }
    known = facts(messages=lives, **away(4.5, 52, OfflineReason.CONNECTION_LOST))
    assert explain(failed(step, ExecutionStatus.TIMED_OUT), known).sentence == (
        "timed out: load-72h was offline from 20:04:30 (connection_lost) to 20:52, "
        "longer than the message's life of 10 min (see start_timeout_seconds); "
        "2 retries went the same way"
    )


def test_late_because_a_node_died_under_the_step_before() -> None:
    workflow = make_workflow(
        steps=(make_step(name="load", module_hash=HASH), make_step(name="prices", after=("load",)))
    )
    lost = make_step_try(
        message_id="a", module_hash=HASH, at=NOON, ended_at=at(2), reason=EndReason.NO_RESULT
    )
    again = make_step_try(message_id="b", module_hash=HASH, at=at(2), ended_at=at(8))
    execution = make_execution(
        workflow=workflow,
        status=ExecutionStatus.SUCCEEDED,
        started_at=NOON,
        ended_at=at(9),
        expected_by=at(5),
        steps=(
            make_step_run(
                name="load",
                status=StepStatus.SUCCEEDED,
                tries=(lost, again),
                started_at=NOON,
                ended_at=at(8),
            ),
            make_step_run(
                name="prices", status=StepStatus.SUCCEEDED, started_at=at(8), ended_at=at(9)
            ),
        ),
    )
    known = facts(**away(0.2, 1, OfflineReason.NODE_LOST, node="host-a:10090:1"))
    assert explain(execution, known).sentence == (
        "late by 4 min: step prices waited for step load, which was retried once "
        "because wsd host-a:10090 died at 20:00:12"
    )


def late(**overrides: Any) -> Any:
    run = make_step_run(status=StepStatus.SUCCEEDED, started_at=at(8), ended_at=at(9))
    values = {
        "status": ExecutionStatus.SUCCEEDED,
        "started_at": at(8),
        "ended_at": at(9),
        "expected_by": at(5),
        "steps": (run,),
    }
    return make_execution(**values | overrides)


def test_late_because_no_worker_began_it() -> None:
    gap = Span(since=at(-1), until=at(8), reason="no_worker")
    assert explain(late(), facts(gaps=[gap])).sentence == (
        "late by 4 min: it began at 20:08, since no worker was running between 19:59 and 20:08"
    )


def test_late_because_it_was_run_again() -> None:
    execution = late(trigger=Trigger.RETRY, actor=ACTOR)
    assert explain(execution, facts()).sentence == (
        "late by 4 min: alice had it run again at 20:08"
    )


def test_late_behind_the_one_before_it() -> None:
    blocker = make_execution(due_at=at(-15), ended_at=at(7.9))
    assert explain(late(), facts(blocker=blocker)).sentence == (
        "late by 4 min: it began at 20:08, after the execution of 19:45 had ended"
    )


def test_late_because_its_module_was_away() -> None:
    a_try = make_step_try(message_id="a", module_hash=HASH, at=NOON, ended_at=at(9))
    run = make_step_run(
        status=StepStatus.SUCCEEDED, tries=(a_try,), started_at=NOON, ended_at=at(9)
    )
    message = make_message(id="a", module_hash=HASH, created_at=NOON, sent_at=at(8))
    known = facts(messages={"a": message}, **away(-30, 8, OfflineReason.BYE))
    assert explain(late(steps=(run,), started_at=NOON), known).sentence == (
        "late by 4 min: step forecast waited 8 min for load-72h, "
        "which was offline all the time since 19:30 (bye)"
    )


def test_late_because_its_module_took_long() -> None:
    a_try = make_step_try(message_id="a", module_hash=HASH, at=NOON, ended_at=at(9))
    run = make_step_run(
        status=StepStatus.SUCCEEDED, tries=(a_try,), started_at=NOON, ended_at=at(9)
    )
    assert explain(late(steps=(run,), started_at=NOON), facts()).sentence == (
        "late by 4 min: step forecast took 9 min at load-72h"
    )


def test_on_time() -> None:
    execution = late(ended_at=at(2), started_at=NOON)
    assert explain(execution, facts()).sentence == (
        "succeeded on time: 2 min after it was due at 20:00"
    )


def test_running_at_a_module() -> None:
    a_try = make_step_try(module_hash=HASH, at=at(1))
    run = make_step_run(status=StepStatus.SENT, tries=(a_try,), started_at=at(1))
    execution = make_execution(steps=(run,), expected_by=at(56))
    assert explain(execution, facts()).sentence == (
        "running, late by 4 min so far: step forecast has been at load-72h since 20:01"
    )


def of_kind(*steps: StepRun, **overrides: Any) -> Any:
    """Return an execution whose step is for any module of the kind wind."""
    workflow = make_workflow(steps=(make_step(module_hash=None, mission_kind="wind"),))
    return make_execution(workflow=workflow, steps=steps, **overrides)


def asked_for_later(number: int) -> Any:
    return make_step_try(
        message_id=f"m{number}",
        module_hash=HASH,
        at=at(number),
        ended_at=at(number),
        reason=EndReason.MODULE_FAILURE,
        error="no weather yet",
    )


def test_running_without_any_module_of_the_kind() -> None:
    run = make_step_run(
        status=StepStatus.WAITING, next_try_at=at(61), reason=EndReason.NO_MODULE, error="none"
    )
    assert explain(of_kind(run), facts()).sentence == (
        "running: step forecast is tried next at 21:01, "
        "because no module of the kind 'wind' is online"
    )


def test_retries_that_ended_for_want_of_a_module() -> None:
    run = make_step_run(
        status=StepStatus.FAILED,
        tries=tuple(asked_for_later(number) for number in range(3)),
        reason=EndReason.NO_MODULE,
        ended_at=at(4),
    )
    execution = of_kind(run, status=ExecutionStatus.FAILED, reason=run.reason, ended_at=at(4))
    assert explain(execution, facts()).sentence == (
        "failed: no module of the kind 'wind' was online; "
        "it was tried 3 times before: load-72h failed"
    )


def test_cancelled_by_an_operator() -> None:
    execution = make_execution(
        status=ExecutionStatus.CANCELLED,
        cancel_requested_by=ACTOR,
        ended_at=at(1),
        trigger=Trigger.OPERATOR,
        steps=(
            make_step_run(
                status=StepStatus.CANCELLED,
                tries=(make_step_try(module_hash=HASH),),
                ended_at=at(1),
            ),
        ),
    )
    assert explain(execution, facts()).sentence == (
        "cancelled: alice cancelled it at 20:01, while step forecast was at load-72h"
    )


def test_retries_that_ended_differently_are_told_apart() -> None:
    first = make_step_try(
        module_hash=HASH, message_id="a", ended_at=at(1), reason=EndReason.NO_RESULT
    )
    second = make_step_try(
        module_hash=HASH, message_id="b", at=at(1), ended_at=at(2), reason=EndReason.MODULE_FAILURE
    )
    step = make_step_run(
        status=StepStatus.FAILED,
        tries=(first, second),
        reason=EndReason.MODULE_FAILURE,
        ended_at=at(2),
    )
    assert explain(failed(step), facts()).sentence == (
        "failed: the module load-72h answered that it failed after 1 min "
        "(attempt 1; a module's own failure is not retried); "
        "it was tried once before: load-72h sent no result in time"
    )


def test_the_first_step_that_failed_is_told_of_among_several() -> None:
    workflow = make_workflow(
        steps=(make_step(name="load", module_hash=HASH), make_step(name="prices", after=("load",)))
    )
    deleted = was_decided(HASH, "deleted", at(-5), ACTOR, {"name": "load-72h"})
    execution = make_execution(
        workflow=workflow,
        status=ExecutionStatus.FAILED,
        steps=(
            make_step_run(
                name="load",
                status=StepStatus.FAILED,
                reason=EndReason.UNKNOWN_MODULE,
                ended_at=NOON,
            ),
            make_step_run(
                name="prices", status=StepStatus.SKIPPED, reason=EndReason.UPSTREAM_FAILED
            ),
        ),
    )
    assert explain(execution, facts(modules={}, events=[deleted])).sentence == (
        "failed: step load: load-72h is not registered: alice deleted it at 19:55"
    )


def test_a_module_that_was_deleted_while_it_worked_is_told_so() -> None:
    deleted = went_offline(
        HASH, 1, at(1), OfflineReason.DELETED, actor=ACTOR, detail={"name": "load-72h"}
    )
    known = facts(modules={}, events=[deleted])
    (span,) = known.offline(HASH, NOON, at(5))
    assert (span.since, span.reason, known.name(HASH)) == (at(1), "deleted", "load-72h")


def test_what_a_module_says_is_quoted_on_one_line() -> None:
    step = ended_step(EndReason.MODULE_FAILURE, error="Traceback:\n  " + "x" * 500)
    sentence = explain(failed(step), facts()).sentence
    assert "\n" not in sentence
    assert "answered 'Traceback: xxx" in sentence
    assert len(sentence) < 300


def test_what_is_not_recorded_yet() -> None:
    workflow = make_workflow(next_due_at=NOON, created_at=at(-60))
    known = facts(now=at(2), last_worker_sign=at(-0.5))
    assert explain_unrecorded(workflow, NOON, known).sentence == (
        "not recorded yet: no worker has run since 19:59:30"
    )
    assert explain_unrecorded(workflow, NOON, facts(now=at(2))).sentence == (
        "not recorded yet: no worker has ever run"
    )
    assert explain_unrecorded(workflow, at(5), facts(now=at(2))).sentence == (
        "not due yet: load-72h is due at 20:05, and it is 20:02"
    )


def test_another_day_is_told_with_its_date() -> None:
    workflow = make_workflow(next_due_at=NOON, created_at=at(-9000))
    known = facts(now=NOON + timedelta(days=1), last_worker_sign=at(-0.5))
    assert explain_unrecorded(workflow, NOON, known).sentence == (
        "not recorded yet: no worker has run since 2026-03-01 19:59:30"
    )


def test_evidence_is_in_order_and_names_every_try() -> None:
    step = ended_step(EndReason.NO_ACK, tries=2)
    told = explain(failed(step), facts(**away(1, 3, OfflineReason.CONNECTION_LOST)))
    assert [fact.at for fact in told.evidence] == sorted(fact.at for fact in told.evidence)
    whats = [(fact.subject, fact.what) for fact in told.evidence]
    assert ("step forecast", "sent to load-72h (try 2)") in whats
    assert ("module load-72h", "offline") in whats
