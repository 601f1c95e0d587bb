"""Why an execution never started: one example for each kind of cause."""

from typing import Any

import pytest

from shared.domain.event import clock_changed, worker_subject
from shared.domain.execution import ExecutionStatus, MissReason
from shared.domain.facts import Span
from shared.domain.why import explain
from shared.domain.workflow import Misfire, Pause
from tests.support.builders import ACTOR, make_execution, make_workflow
from tests.support.facts import at, facts


def missed(reason: MissReason, **overrides: Any) -> Any:
    values = {"status": ExecutionStatus.MISSED, "reason": reason, "created_at": at(12)}
    return make_execution(**values | overrides)


def test_missed_for_want_of_a_worker() -> None:
    gap = Span(since=at(-1), until=at(11), reason="no_worker")
    instead = make_execution(due_at=at(10), status=ExecutionStatus.SUCCEEDED)
    told = explain(missed(MissReason.NO_WORKER), facts(gaps=[gap], successor=instead))
    assert told.sentence == (
        "missed: no worker was running between 19:59 and 20:11; policy latest_only ran 20:10 instead"
    )
    assert [(e.subject, e.what) for e in told.evidence if e.subject == "workers"] == [
        ("workers", "none running"),
        ("workers", "running again"),
    ]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (ExecutionStatus.RUNNING, "ran 20:10 instead"),
        (ExecutionStatus.FAILED, "ran 20:10 instead, which failed"),
        (ExecutionStatus.TIMED_OUT, "ran 20:10 instead, which timed out"),
        (ExecutionStatus.CANCELLED, "ran 20:10 instead, which was cancelled"),
        (ExecutionStatus.WAITING, "chose 20:10 instead, which waits for the one before it"),
        (ExecutionStatus.MISSED, "chose 20:10 instead, and that was missed, too"),
        (
            ExecutionStatus.SKIPPED,
            "chose 20:10 instead, and that was skipped: the one before was still running",
        ),
    ],
)
def test_missed_tells_what_became_of_the_one_instead(status: ExecutionStatus, told: str) -> None:
    instead = make_execution(due_at=at(10), status=status)
    sentence = explain(missed(MissReason.NO_WORKER), facts(successor=instead)).sentence
    assert sentence.endswith(f"; policy latest_only {told}")


def test_missed_while_the_database_was_away() -> None:
    gap = Span(since=at(-1), until=at(11), reason="no_database")
    workflow = make_workflow(misfire=Misfire.SKIP)
    execution = missed(MissReason.NO_DATABASE, workflow=workflow)
    assert explain(execution, facts(gaps=[gap])).sentence == (
        "missed: the database was away between 19:59 and 20:11; policy skip runs nothing afterwards"
    )


def test_missed_by_a_clock() -> None:
    worker = worker_subject("host-a", 10083)
    doubt = clock_changed(worker, at(-5), "clock_jumped", 3600)
    assert explain(missed(MissReason.CLOCK_DISTRUSTED), facts(clocks=[doubt])).sentence == (
        "missed: the clock of the worker host-a:10083 was not trusted from 19:55 on "
        "(clock_jumped, 1 h off); "
        "policy latest_only runs only the latest, and it was 12 min late, 10 min are allowed"
    )


def test_missed_by_policy() -> None:
    execution = missed(MissReason.POLICY, workflow=make_workflow(misfire=Misfire.SKIP))
    assert explain(execution, facts()).sentence == (
        "missed: it was found 12 min after it was due at 20:00; policy skip runs nothing afterwards"
    )


def test_skipped_for_the_one_before() -> None:
    execution = missed(MissReason.OVERLAP, status=ExecutionStatus.SKIPPED)
    blocker = make_execution(due_at=at(-15))
    assert explain(execution, facts(blocker=blocker)).sentence == (
        "skipped: the execution of 19:45 was still running (overlap: skip)"
    )


def test_skipped_in_a_pause() -> None:
    pause = Pause(at=at(-30), actor=ACTOR, reason="operator", note="new turbine")
    execution = missed(MissReason.PAUSED, workflow=make_workflow(pause=pause))
    assert explain(execution, facts()).sentence == (
        "missed: the workflow had been paused by alice since 19:30 (new turbine)"
    )
