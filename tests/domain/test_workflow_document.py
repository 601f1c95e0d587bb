"""A workflow as a file and as an answer, and the difference between two of them."""

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.workflow import Overlap, Pause, ShiftUnit
from shared.domain.workflow_document import find_difference, state_of, to_file, to_item
from shared.domain.workflow_file import read_workflow
from tests.support.builders import ACTOR, NOON, make_step, make_workflow

HASH = make_step().module_hash
assert HASH is not None


def test_a_file_makes_the_same_workflow_again() -> None:
    workflow = make_workflow(
        description="d",
        enabled=False,
        overlap=Overlap.QUEUE,
        shift_time=-1,
        shift_unit=ShiftUnit.DAY,
        start_timeout_seconds=5.0,
        steps=(
            make_step(name="a", args={"x": 1}),
            make_step(name="b", after=("a",), fallback=(HASH,)),
        ),
    )
    draft = read_workflow(to_file(workflow))
    assert draft.workflow_id == workflow.workflow_id
    for name in ("name", "description", "enabled", "crons", "timezone", "shift_time", "shift_unit"):
        assert getattr(draft, name) == getattr(workflow, name)
    for name in ("overlap", "misfire", "timeout_seconds", "start_timeout_seconds", "retries"):
        assert getattr(draft, name) == getattr(workflow, name)
    first, second = draft.steps
    assert (first.name, first.args, first.after) == ("a", {"x": 1}, ())
    assert second.after == ("a",)
    assert [reference.text for reference in second.references] == [HASH, HASH]


def test_a_file_calls_modules_by_names_that_are_given() -> None:
    file = to_file(make_workflow(), {HASH: "load"})
    assert file["steps"][0]["module"] == "load"


def test_an_item_has_what_earlier_clients_read() -> None:
    item = to_item(make_workflow(steps=(make_step(args={"x": 1}),)), {HASH: "load"})
    assert item["id"] == "1"
    assert item["execute_cron_list"] == ["30 9 * * *"]
    assert (item["execute_shift_time"], item["execute_shift_unit"]) == (0, "s")
    assert item["execute_modules"] == [{"module_hash": HASH, "name": "load", "args": {"x": 1}}]
    assert item["enable"] is True


@pytest.mark.parametrize(
    ("overrides", "state"),
    [
        ({}, "active"),
        ({"enabled": False}, "disabled"),
        ({"pause": Pause(at=NOON, actor=ACTOR, reason="operator")}, "paused"),
    ],
)
def test_a_workflow_is_active_paused_or_disabled(overrides: dict[str, Any], state: str) -> None:
    assert state_of(make_workflow(**overrides)) == state


def test_what_two_files_say_differently_is_found_step_by_step() -> None:
    old = make_workflow(
        steps=(make_step(name="a"), make_step(name="b", args={"x": 1})), updated_at=NOON
    )
    new = make_workflow(
        crons=("0 8 * * *",),
        steps=(make_step(name="b", args={"x": 2}), make_step(name="c")),
        updated_at=NOON + timedelta(days=1),
    )
    found = find_difference(to_file(old), to_file(new))
    assert found.pop("steps[a]")["to"] is None
    assert found.pop("steps[c]")["from"] is None
    assert found == {
        "execute_cron_list": {"from": ["30 9 * * *"], "to": ["0 8 * * *"]},
        "steps[b].args": {"from": {"x": 1}, "to": {"x": 2}},
    }


def test_what_a_step_loses_is_a_difference_too() -> None:
    named = make_workflow(steps=(make_step(name="a"),))
    of_kind = make_workflow(steps=(make_step(name="a", module_hash=None, mission_kind="load"),))
    assert find_difference(to_file(named), to_file(of_kind)) == {
        "steps[a].module": {"from": HASH, "to": None},
        "steps[a].missionKind": {"from": None, "to": "load"},
    }


def test_another_order_of_the_same_steps_is_a_difference() -> None:
    steps = make_step(name="a"), make_step(name="b")
    found = find_difference(
        to_file(make_workflow(steps=steps)), to_file(make_workflow(steps=steps[::-1]))
    )
    assert found == {"steps": {"from": ["a", "b"], "to": ["b", "a"]}}


def test_the_same_workflow_is_no_difference() -> None:
    assert find_difference(to_file(make_workflow()), to_file(make_workflow())) == {}
