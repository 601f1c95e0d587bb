"""Why: whatever the facts are, there is a sentence, and it is one for people."""

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.closing import OfflineReason
from shared.domain.event import came_online, clock_changed, went_offline, worker_subject
from shared.domain.execution import (
    Execution,
    ExecutionStatus,
    MissReason,
    StepStatus,
    Trigger,
)
from shared.domain.facts import Facts, Span
from shared.domain.message import EndReason, Message, MessageStatus, Progress
from shared.domain.result import ResultStatus
from shared.domain.why import Explanation, explain, explain_unrecorded
from shared.domain.workflow import Misfire, Overlap, Pause
from tests.support.builders import (
    ACTOR,
    NOON,
    make_execution,
    make_message,
    make_module,
    make_result,
    make_session,
    make_step,
    make_step_run,
    make_step_try,
    make_workflow,
)

MODULE = make_module()
HASH = MODULE.module_hash
NODE = "host-a:10090:1"
NOT_FOR_PEOPLE = re.compile(
    r"\bNone\b|<|\w+(Status|Reason)\.|datetime|timedelta|\(\)|\s\s|: *$|; *$|, *$|\bmodule module\b"
)

moments = st.integers(-7200, 7200).map(lambda seconds: NOON + timedelta(seconds=seconds))
maybe_moments = st.none() | moments
words = st.sampled_from(["", "no weather data", "two\nlines", "None", "x" * 400])


def check(told: Explanation) -> None:
    assert told.sentence
    assert told.sentence[0].islower()
    assert "\n" not in told.sentence
    without_words = re.sub(r"'[^']*'", "''", told.sentence)
    assert not NOT_FOR_PEOPLE.search(without_words), told.sentence
    assert [fact.at for fact in told.evidence] == sorted(fact.at for fact in told.evidence)
    assert all(fact.subject and fact.what for fact in told.evidence)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def module_events(draw: st.DrawFn) -> list[Any]:
    events: list[Any] = []
    for epoch, at in enumerate(sorted(draw(st.lists(moments, max_size=4))), start=1):
        if draw(st.booleans()):
            events.append(came_online(HASH, epoch, at, node=NODE, peer="192.0.2.7:1"))
        if draw(st.booleans()):
            reason = draw(st.sampled_from(OfflineReason))
            detail = draw(st.sampled_from([{}, {"node": NODE}]))
            events.append(went_offline(HASH, epoch, at, reason, detail=detail))
    return events


@st.composite
def messages(draw: st.DrawFn) -> Message:
    progress = st.builds(
        Progress, percent=maybe(st.floats(0, 100, allow_nan=False)), note=words, at=moments
    )
    return make_message(
        id=draw(st.sampled_from(["a", "b", "c"])),
        status=draw(st.sampled_from(MessageStatus)),
        created_at=draw(moments),
        useful_until=draw(moments),
        attempt=draw(st.integers(0, 4)),
        sent_at=draw(maybe_moments),
        acked_at=draw(maybe_moments),
        ended_at=draw(maybe_moments),
        start_timeout_seconds=draw(maybe(st.floats(0, 600))),
        progress=draw(maybe(progress)),
        cancel_requested_at=draw(maybe_moments),
        cancel_requested_by=draw(maybe(st.just(ACTOR))),
        mission_kind=draw(st.sampled_from(["", "load"])),
    )


@st.composite
def step_runs(draw: st.DrawFn, name: str) -> Any:
    tries = tuple(
        make_step_try(
            message_id=draw(st.sampled_from(["a", "b", "c", "gone"])),
            module_hash=draw(st.sampled_from([HASH, "f" * 64])),
            at=draw(moments),
            ended_at=draw(maybe_moments),
            reason=draw(maybe(st.sampled_from(EndReason))),
            error=draw(maybe(words)),
        )
        for _ in range(draw(st.integers(0, 3)))
    )
    return make_step_run(
        name=name,
        status=draw(st.sampled_from(StepStatus)),
        tries=tries,
        next_try_at=draw(maybe_moments),
        started_at=draw(maybe_moments),
        ended_at=draw(maybe_moments),
        reason=draw(maybe(st.sampled_from(EndReason))),
        error=draw(maybe(words)),
    )


@st.composite
def executions(draw: st.DrawFn) -> Execution:
    pause = st.builds(
        Pause,
        at=moments,
        actor=st.just(ACTOR),
        reason=st.sampled_from(["operator", "failures"]),
        note=st.sampled_from(["", "works"]),
    )
    workflow = make_workflow(
        steps=(
            make_step(name="load"),
            make_step(name="prices", module_hash=None, mission_kind="price", after=("load",)),
        ),
        timezone=draw(st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "nowhere"])),
        misfire=draw(st.sampled_from(Misfire)),
        overlap=draw(st.sampled_from(Overlap)),
        pause=draw(maybe(pause)),
    )
    return make_execution(
        workflow=workflow,
        due_at=draw(moments),
        created_at=draw(moments),
        status=draw(st.sampled_from(ExecutionStatus)),
        reason=draw(maybe(st.sampled_from([*MissReason, *EndReason]))),
        trigger=draw(st.sampled_from(Trigger)),
        expected_by=draw(maybe_moments),
        started_at=draw(maybe_moments),
        ended_at=draw(maybe_moments),
        cancel_requested_by=draw(maybe(st.just(ACTOR))),
        steps=(draw(step_runs("load")), draw(step_runs("prices"))),
    )


@st.composite
def known_facts(draw: st.DrawFn) -> Facts:
    stored = {message.id: message for message in draw(st.lists(messages(), max_size=3))}
    results = {
        name: make_result(
            message_id=name,
            at=draw(moments),
            status=draw(st.sampled_from(ResultStatus)),
            reason=draw(maybe(st.sampled_from(EndReason))),
            error=draw(maybe(words)),
            retry_after_seconds=draw(maybe(st.floats(0, 600))),
        )
        for name in draw(st.sets(st.sampled_from(["a", "b", "c"])))
    }
    module = draw(
        st.sampled_from([None, MODULE, make_module(session=make_session(connected_at=NOON))])
    )
    gap = st.builds(
        Span,
        since=maybe_moments,
        until=maybe_moments,
        reason=st.sampled_from(["no_worker", "no_database"]),
    )
    doubt = st.builds(
        lambda at, doubt: clock_changed(worker_subject("host-a", 10083), at, doubt, 3600),
        moments,
        maybe(st.just("clock_jumped")),
    )
    statuses = st.sampled_from(ExecutionStatus)
    others = maybe(st.builds(lambda at, s: make_execution(due_at=at, status=s), moments, statuses))
    return Facts(
        now=draw(moments),
        modules={} if module is None else {HASH: module},
        events=draw(module_events()),
        gaps=draw(st.lists(gap, max_size=2)),
        clocks=sorted(draw(st.lists(doubt, max_size=2)), key=lambda event: event.at),
        messages=stored,
        results=results,
        blocker=draw(others),
        successor=draw(others),
        last_worker_sign=draw(maybe_moments),
    )


@given(executions(), known_facts())
def test_any_execution_has_a_sentence(execution: Execution, facts: Facts) -> None:
    check(explain(execution, facts))


@given(messages(), known_facts())
def test_any_message_has_a_sentence(message: Message, facts: Facts) -> None:
    check(explain(message, facts))


@given(executions(), known_facts(), moments)
def test_whatever_is_not_recorded_has_a_sentence(
    execution: Execution, facts: Facts, due_at: Any
) -> None:
    check(explain_unrecorded(execution.workflow, due_at, facts))


@pytest.mark.parametrize("reason", [None, *MissReason, *EndReason])
@pytest.mark.parametrize("status", ExecutionStatus)
def test_every_status_and_reason_of_executions_has_its_sentence(
    status: ExecutionStatus, reason: MissReason | EndReason | None
) -> None:
    told = explain(make_execution(status=status, reason=reason), Facts(now=NOON))
    check(told)
    assert told.sentence.startswith(status.value.replace("_", " "))


@pytest.mark.parametrize("reason", [None, *EndReason])
@pytest.mark.parametrize("status", MessageStatus)
def test_every_status_and_reason_of_messages_has_its_sentence(
    status: MessageStatus, reason: EndReason | None
) -> None:
    result = make_result(status=ResultStatus.FAILURE, reason=reason)
    facts = Facts(now=NOON, results={result.message_id: result})
    check(explain(make_message(status=status), facts))


def test_every_reason_of_a_message_has_a_sentence_of_its_own() -> None:
    sentences = set()
    for reason in EndReason:
        result = make_result(status=ResultStatus.FAILURE, reason=reason)
        facts = Facts(now=NOON, results={result.message_id: result})
        sentences.add(explain(make_message(status=MessageStatus.FAILED), facts).sentence)
    assert len(sentences) == len(EndReason)


def test_every_reason_for_a_miss_has_a_sentence_of_its_own() -> None:
    executions = [make_execution(status=ExecutionStatus.MISSED, reason=r) for r in MissReason]
    sentences = {explain(execution, Facts(now=NOON)).sentence for execution in executions}
    assert len(sentences) == len(MissReason)
