"""An event's id is made of what happened: two writers write one."""

from datetime import timedelta

from shared.domain.closing import OfflineReason
from shared.domain.event import (
    came_online,
    execution_ended,
    takeover_refused,
    was_changed,
    was_decided,
    was_registered,
    went_offline,
)
from shared.domain.execution import ExecutionStatus, MissReason
from shared.domain.module import Change
from tests.support.builders import ACTOR, NODE, NOON, make_execution, make_module

MODULE = make_module()
LATER = NOON + timedelta(seconds=3)


def test_two_nodes_that_see_one_session_end_write_one_event() -> None:
    first = went_offline(MODULE.module_hash, 3, NOON, OfflineReason.NODE_LOST)
    second = went_offline(MODULE.module_hash, 3, LATER, OfflineReason.REPLACED)
    assert first.id == second.id == f"module:{MODULE.module_hash}:3:offline"


def test_the_next_session_is_another_event() -> None:
    ids = {
        came_online(MODULE.module_hash, epoch, NOON, node=NODE, peer="p").id for epoch in (1, 2, 3)
    }
    assert len(ids) == 3


def test_online_and_offline_of_one_session_are_two_events() -> None:
    online = came_online(MODULE.module_hash, 3, NOON, node=NODE, peer="192.0.2.7:1")
    offline = went_offline(
        MODULE.module_hash, 3, NOON, OfflineReason.BYE, detail={"peer": "192.0.2.7:1"}
    )
    assert online.id != offline.id
    assert online.detail == {"epoch": 3, "node": NODE, "peer": "192.0.2.7:1"}
    assert offline.detail == {"epoch": 3, "peer": "192.0.2.7:1"}
    assert (online.reason, offline.reason) == (None, "bye")


def test_a_change_tells_what_was_and_what_is() -> None:
    difference = {"description": {"from": "Old", "to": "New"}}
    event = was_changed(MODULE, Change(revision=2, at=NOON, difference=difference))
    assert event.id.endswith(":revision-2")
    assert (event.at, event.detail) == (NOON, {"revision": 2, "difference": difference})


def test_a_module_that_was_deleted_and_registered_again_is_registered_twice() -> None:
    again = make_module(module_id=2)
    assert was_registered(MODULE, NOON).id != was_registered(again, NOON).id


def test_a_decision_taken_twice_is_two_events() -> None:
    first = was_decided(MODULE.module_hash, "disabled", NOON, ACTOR)
    second = was_decided(MODULE.module_hash, "disabled", LATER, ACTOR)
    assert first.id != second.id
    assert (first.reason, first.actor) == ("operator", "user:alice")


def test_a_refused_takeover_names_both_programs() -> None:
    event = takeover_refused(
        MODULE.module_hash, NOON, incumbent="192.0.2.7:1", newcomer="192.0.2.8:1"
    )
    assert event.detail == {"incumbent": "192.0.2.7:1", "newcomer": "192.0.2.8:1"}


def test_an_execution_that_succeeded_in_time_is_no_event() -> None:
    execution = make_execution(status=ExecutionStatus.SUCCEEDED, expected_by=LATER)
    assert execution_ended(execution, NOON) is None
    assert execution_ended(make_execution(), NOON) is None


def test_an_execution_that_succeeded_late_is_an_event() -> None:
    execution = make_execution(status=ExecutionStatus.SUCCEEDED, expected_by=NOON)
    event = execution_ended(execution, LATER)
    assert event is not None
    assert (event.what, event.subject.id) == ("late", execution.id)


def test_two_workers_that_end_one_execution_write_one_event() -> None:
    execution = make_execution(status=ExecutionStatus.MISSED, reason=MissReason.NO_WORKER)
    events = [execution_ended(execution, at) for at in (NOON, LATER)]
    assert {event.id for event in events if event} == {f"execution:{execution.id}:missed"}
