"""Evidence: what explains a case, and nothing that has nothing to do with it."""

from datetime import timedelta
from typing import Any

from shared.domain.closing import OfflineReason
from shared.domain.event import (
    Event,
    came_online,
    clock_changed,
    node_changed,
    was_decided,
    was_registered,
    went_offline,
    worker_subject,
)
from shared.domain.evidence import EVIDENCE_MAX, evidence_of_execution, evidence_of_message
from shared.domain.execution import Execution, ExecutionStatus, MissReason, StepStatus, Trigger
from shared.domain.facts import Facts, Span
from shared.domain.ids import NodeId
from shared.domain.message import EndReason, MessageStatus
from tests.support.builders import (
    ACTOR,
    make_execution,
    make_message,
    make_step,
    make_step_run,
    make_step_try,
    make_workflow,
)
from tests.support.facts import HASH, MODULE, at, facts

OLD_NODE, NODE = NodeId("host-a:10090:1"), NodeId("host-a:10090:2")
WORKER = worker_subject("host-a", 10083)


def online(epoch: int, minutes: float, node: NodeId = NODE) -> Event:
    return came_online(HASH, epoch, at(minutes), node=node, peer="192.0.2.7:1")


def offline(epoch: int, minutes: float, reason: OfflineReason, **detail: Any) -> Event:
    return went_offline(HASH, epoch, at(minutes), reason, detail=detail)


DEPLOYED_BEFORE = [
    was_registered(MODULE, at(-14)),
    online(1, -13, OLD_NODE),
    offline(1, -11, OfflineReason.PLATFORM_RESTART, node=OLD_NODE),
    online(2, -10),
    offline(2, -8, OfflineReason.BYE),
    was_decided(HASH, "disabled", at(-7), ACTOR),
    was_decided(HASH, "enabled", at(-6), ACTOR),
    online(3, -5),
    node_changed(OLD_NODE, "enrolled", at(-15)),
    node_changed(OLD_NODE, "retired", at(-11)),
    node_changed(NODE, "enrolled", at(-12)),
]


def failed(**overrides: Any) -> Execution:
    a_try = make_step_try(
        message_id="m1", module_hash=HASH, at=at(0), ended_at=at(2), reason=EndReason.NO_RESULT
    )
    step = make_step_run(
        status=StepStatus.TIMED_OUT, tries=(a_try,), reason=EndReason.NO_RESULT, ended_at=at(2)
    )
    values = {
        "workflow": make_workflow(steps=(make_step(module_hash=HASH),)),
        "status": ExecutionStatus.TIMED_OUT,
        "due_at": at(0),
        "created_at": at(0),
        "started_at": at(0),
        "ended_at": at(2),
        "steps": (step,),
    }
    return make_execution(**values | overrides)


def around(execution: Execution, known: Facts) -> list[tuple[str, str]]:
    """Return what the evidence tells of modules, nodes and workers."""
    own = ("execution ", "step ")
    found = evidence_of_execution(execution, known)
    return [(e.subject, e.what) for e in found if not e.subject.startswith(own)]


def test_of_what_was_before_only_the_state_in_force_is_told() -> None:
    assert around(failed(), facts(events=DEPLOYED_BEFORE)) == [("module load-72h", "online")]


def test_what_happened_from_shortly_before_until_the_end_is_told() -> None:
    events = [
        *DEPLOYED_BEFORE,
        offline(3, -0.5, OfflineReason.CONNECTION_LOST),
        online(4, 1),
        offline(4, 20, OfflineReason.BYE),
    ]
    assert around(failed(), facts(events=events)) == [
        ("module load-72h", "online"),
        ("module load-72h", "offline"),
        ("module load-72h", "online"),
    ]


def test_the_node_that_took_a_module_along_is_told() -> None:
    events = [
        *DEPLOYED_BEFORE,
        offline(3, 1, OfflineReason.NODE_LOST, node=NODE),
        node_changed(NODE, "lost", at(1), OfflineReason.NODE_LOST),
    ]
    assert around(failed(), facts(events=events)) == [
        ("module load-72h", "online"),
        ("module load-72h", "offline"),
        (f"node {NODE}", "lost"),
    ]


def test_when_a_module_came_back_after_the_end_is_told() -> None:
    events = [offline(1, -200, OfflineReason.BYE), online(2, 5), offline(2, 6, OfflineReason.BYE)]
    found = evidence_of_execution(failed(), facts(events=events))
    assert [(e.at, e.what) for e in found if e.subject.startswith("module")] == [
        (at(-200), "offline"),
        (at(5), "online"),
    ]


def test_a_module_that_was_disabled_long_before_is_told() -> None:
    events = [was_decided(HASH, "disabled", at(-300), ACTOR)]
    assert around(failed(), facts(events=events)) == [("module load-72h", "disabled")]


def test_modules_have_nothing_to_do_with_what_never_started() -> None:
    gap = Span(since=at(-1), until=at(11), reason="no_worker")
    execution = failed(
        status=ExecutionStatus.MISSED,
        reason=MissReason.NO_WORKER,
        steps=(make_step_run(),),
        started_at=None,
        created_at=at(12),
        ended_at=at(12),
    )
    events = [*DEPLOYED_BEFORE, offline(3, 1, OfflineReason.NODE_LOST, node=NODE)]
    assert around(execution, facts(events=events, gaps=[gap])) == [
        ("workers", "none running"),
        ("workers", "running again"),
    ]


def test_the_gap_that_the_execution_itself_tells_of_is_told() -> None:
    execution = failed(
        status=ExecutionStatus.MISSED,
        reason=MissReason.NO_WORKER,
        steps=(make_step_run(),),
        started_at=None,
        detail={"from": at(-1), "until": at(11)},
    )
    assert around(execution, facts()) == [
        ("workers", "none running"),
        ("workers", "running again"),
    ]


def test_a_clock_that_is_trusted_again_is_not_told() -> None:
    doubt = clock_changed(WORKER, at(-30), "clock_jumped", 3600)
    trust = clock_changed(WORKER, at(-20), None, 0)
    assert around(failed(), facts(clocks=[doubt, trust])) == []
    assert around(failed(), facts(clocks=[doubt])) == [("worker host-a:10083", "clock_distrusted")]


def test_a_retry_of_long_ago_is_about_the_time_when_it_ran() -> None:
    execution = failed(trigger=Trigger.RETRY, due_at=at(-3000))
    assert around(execution, facts(events=DEPLOYED_BEFORE)) == [("module load-72h", "online")]


def test_of_very_much_the_causes_are_kept_and_the_last_of_the_rest() -> None:
    flapping = [
        event
        for n in range(EVIDENCE_MAX)
        for event in (
            offline(n, n / 40, OfflineReason.CONNECTION_LOST),
            online(n + 1, n / 40 + 0.01),
        )
    ]
    found = evidence_of_execution(failed(), facts(events=[online(0, -60), *flapping]))
    assert len(found) == EVIDENCE_MAX
    assert [e.at for e in found] == sorted(e.at for e in found)
    assert {"due", "started", "try ended", "timed_out"} <= {e.what for e in found}
    assert found[0].at == at(-60)
    assert flapping[-1].at in {e.at for e in found}


def test_a_message_is_told_of_in_the_same_way() -> None:
    message = make_message(
        module_hash=HASH,
        status=MessageStatus.EXPIRED,
        created_at=at(0),
        ended_at=at(10),
        useful_until=at(10),
    )
    events = [*DEPLOYED_BEFORE, offline(3, 2, OfflineReason.BYE), online(4, 30)]
    found = evidence_of_message(message, facts(events=events))
    modules = [(e.at - at(0), e.what) for e in found if e.subject.startswith("module")]
    assert modules == [
        (timedelta(minutes=-5), "online"),
        (timedelta(minutes=2), "offline"),
        (timedelta(minutes=30), "online"),
    ]
