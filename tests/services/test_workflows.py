"""Workflows are created, edited, paused, resumed and deleted."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.event import Event, workflow_subject
from shared.domain.execution import ExecutionStatus, MissReason, scheduled_id
from shared.domain.ids import WorkflowId
from shared.domain.workflow import Workflow
from shared.domain.workflow_file import WorkflowDraft, read_workflow
from shared.errors import Conflict, NotFound
from shared.services.scheduling import fire
from shared.services.workflows import (
    create_workflow,
    delete_workflow,
    edit_workflow,
    pause_workflow,
    resume_workflow,
)
from shared.store import Store
from tests.support.builders import ACTOR
from tests.support.registry import Registry

# The tests happen at 20:00 in Shanghai on 1 March; the workflow is due at 9:30 there.
NEXT = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _modules(registry: Registry) -> None:
    registry.register("load")
    registry.register("weather")


def draft(**overrides: Any) -> WorkflowDraft:
    smallest = {
        "name": "load-72h",
        "execute_cron_list": ["30 9 * * *"],
        "steps": [{"module": "load"}],
    }
    return read_workflow(smallest | overrides)


def create(store: Store, now: datetime, **overrides: Any) -> Workflow:
    return create_workflow(store, draft(**overrides), ACTOR, now)


def events_of(store: Store, workflow: Workflow) -> list[Event]:
    return store.events.find(subject=workflow_subject(workflow.workflow_id))


def stored(store: Store, workflow: Workflow) -> Workflow:
    found = store.workflows.get(workflow.workflow_id)
    assert found is not None
    return found


def test_a_new_workflow_is_stored_with_its_next_due_time(store: Store, now: datetime) -> None:
    workflow = create(store, now)
    assert workflow.workflow_id == 1
    assert workflow.next_due_at == NEXT
    assert stored(store, workflow) == workflow
    (event,) = events_of(store, workflow)
    assert (event.what, event.actor, event.detail["name"]) == ("created", ACTOR, "load-72h")


def test_a_shift_moves_the_next_due_time(store: Store, now: datetime) -> None:
    workflow = create(store, now, execute_shift_time=-90, execute_shift_unit="min")
    assert workflow.next_due_at == NEXT - timedelta(minutes=90)


def test_a_disabled_workflow_is_never_due(store: Store, now: datetime) -> None:
    assert create(store, now, enable=False).next_due_at is None


def test_modules_are_found_by_name_number_or_hash(store: Store, now: datetime) -> None:
    weather = store.modules.get_by_module_id(2)
    assert weather is not None
    steps = [
        {"name": "a", "module": "weather"},
        {"name": "b", "module": 2},
        {
            "name": "c",
            "module": weather.module_hash[:10],
            "fallback": ["load", weather.module_hash],
        },
        {"name": "d", "missionKind": "load"},
    ]
    a, b, c, d = create(store, now, steps=steps).steps
    assert a.module_hash == b.module_hash == c.module_hash == c.fallback[1] == weather.module_hash
    assert (d.module_hash, d.mission_kind) == (None, "load")


def test_unknown_modules_are_refused_with_their_places(store: Store, now: datetime) -> None:
    steps = [{"module": "load", "fallback": ["laod"]}, {"module": "wether"}]
    with pytest.raises(NotFound) as refused:
        create(store, now, steps=steps)
    first, second = refused.value.message.split("\n")
    assert first.startswith("steps[0].fallback[0]: No module has the name")
    assert second.startswith("steps[1].module: No module has the name")
    assert second.endswith("Near it: weather.")
    assert store.workflows.all() == []


def test_a_name_that_two_modules_have_is_refused(
    store: Store, registry: Registry, now: datetime
) -> None:
    registry.register("load", mission_kind="other")
    with pytest.raises(Conflict, match=r"steps\[0\].module: 'load' may mean any of these modules"):
        create(store, now)


def test_a_given_number_is_kept_and_the_next_one_is_higher(store: Store, now: datetime) -> None:
    assert create(store, now, workflow_id=7).workflow_id == 7
    assert create(store, now).workflow_id == 8


def test_a_number_that_is_taken_is_refused(store: Store, now: datetime) -> None:
    create(store, now, workflow_id=7)
    with pytest.raises(Conflict, match="The workflow_id 7 is taken: 'load-72h' has it"):
        create(store, now, workflow_id=7, name="other")


def test_a_number_that_was_given_is_not_handed_out(store: Store, now: datetime) -> None:
    create(store, now, workflow_id=1)
    store.counters.raise_to("workflow_id", 0)
    assert create(store, now).workflow_id == 2


def test_workflows_that_are_created_at_once_get_numbers_of_their_own(
    store: Store, now: datetime
) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        made = list(pool.map(lambda _: create(store, now), range(16)))
    assert {workflow.workflow_id for workflow in made} == set(range(1, 17))


def test_an_edit_makes_another_version_and_tells_what_it_changed(
    store: Store, now: datetime
) -> None:
    old = create(store, now)
    later = now + timedelta(hours=1)
    changed = draft(execute_cron_list=["0 8 * * *"], steps=[{"module": "load", "args": {"a.b": 1}}])
    edited = edit_workflow(store, old.workflow_id, changed, ACTOR, later)
    assert edited.workflow.version == 2
    assert edited.workflow.created_at == now
    assert edited.workflow.next_due_at == NEXT - timedelta(minutes=90)
    assert stored(store, old) == edited.workflow
    assert set(edited.difference) == {"execute_cron_list", "steps[load].args"}
    _, event = events_of(store, old)
    assert (event.what, event.detail["version"]) == ("edited", 2)
    assert event.detail["changes"][1] == {
        "field": "steps[load].args",
        "from": "{}",
        "to": '{"a.b":1}',
    }


def test_an_edit_that_changes_nothing_makes_no_version(store: Store, now: datetime) -> None:
    old = create(store, now)
    edited = edit_workflow(store, old.workflow_id, draft(), ACTOR, now + timedelta(hours=1))
    assert (edited.workflow, edited.difference) == (old, {})
    assert len(events_of(store, old)) == 1


def test_an_edit_of_the_steps_alone_moves_no_due_time(store: Store, now: datetime) -> None:
    old = create(store, now)
    shortly_before = NEXT - timedelta(seconds=1)
    steps = [{"module": "weather"}]
    edited = edit_workflow(store, old.workflow_id, draft(steps=steps), ACTOR, shortly_before)
    assert edited.workflow.next_due_at == NEXT


@pytest.mark.parametrize("minutes", [0, 1, 60])
def test_what_was_due_before_an_edit_is_fired_or_recorded_as_missed(
    store: Store, now: datetime, minutes: int
) -> None:
    old = create(store, now)
    later = NEXT + timedelta(minutes=minutes)
    changed = draft(execute_cron_list=["0 8 * * *"])
    edited = edit_workflow(store, old.workflow_id, changed, ACTOR, later).workflow
    assert edited.next_due_at == NEXT + timedelta(days=1, minutes=-90)
    execution = store.executions.get(scheduled_id(old.workflow_id, NEXT))
    assert execution is not None
    assert execution.workflow.crons == old.crons
    is_missed = execution.status is ExecutionStatus.MISSED
    assert is_missed == (minutes > 10)


@pytest.mark.parametrize("verb", ["pause", "disable"])
def test_what_was_due_before_a_pause_is_recorded_as_left_out(
    store: Store, now: datetime, verb: str
) -> None:
    old = create(store, now)
    later = NEXT + timedelta(days=2)
    if verb == "pause":
        pause_workflow(store, old.workflow_id, "", ACTOR, later)
    else:
        edit_workflow(store, old.workflow_id, draft(enable=False), ACTOR, later)
    execution = store.executions.get(scheduled_id(old.workflow_id, NEXT))
    assert execution is not None
    assert (execution.status, execution.reason) == (ExecutionStatus.MISSED, MissReason.PAUSED)
    assert execution.detail == {"count": 3, "last_due_at": later}
    assert stored(store, old).next_due_at is None


def test_what_a_worker_fired_just_before_a_pause_is_left_as_it_is(
    store: Store, now: datetime
) -> None:
    old = create(store, now)
    fire(store, [old], NEXT)
    pause_workflow(store, old.workflow_id, "", ACTOR, NEXT)
    execution = store.executions.get(scheduled_id(old.workflow_id, NEXT))
    assert execution is not None
    assert execution.status is ExecutionStatus.RUNNING


def test_an_edit_leaves_a_pause_as_it_is(store: Store, now: datetime) -> None:
    old = create(store, now)
    pause_workflow(store, old.workflow_id, "holidays", ACTOR, now)
    edited = edit_workflow(store, old.workflow_id, draft(description="new"), ACTOR, now).workflow
    assert edited.pause is not None
    assert stored(store, old) == edited
    assert edited.next_due_at is None


def test_an_edit_of_what_a_worker_moved_is_made_on_what_it_wrote(
    store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = create(store, now)
    later = NEXT + timedelta(days=1)
    fresh = store.workflows.edit
    moved = replace(old, next_due_at=later)

    def move_first(read: Workflow, new: Workflow) -> bool:
        monkeypatch.setattr(store.workflows, "edit", fresh)
        assert fresh(read, moved)
        return fresh(read, new)

    monkeypatch.setattr(store.workflows, "edit", move_first)
    edited = edit_workflow(store, old.workflow_id, draft(description="new"), ACTOR, now).workflow
    assert edited.next_due_at == later


def test_edits_at_the_same_time_are_versions_one_after_the_other(
    store: Store, now: datetime
) -> None:
    number = create(store, now).workflow_id
    with ThreadPoolExecutor(max_workers=4) as pool:
        made = pool.map(
            lambda n: edit_workflow(store, number, draft(description=str(n)), ACTOR, now), range(4)
        )
    assert sorted(edited.workflow.version for edited in made) == [2, 3, 4, 5]


def test_a_file_of_another_number_is_refused(store: Store, now: datetime) -> None:
    number = create(store, now).workflow_id
    with pytest.raises(Conflict, match="The file is of the workflow_id 9, not of 1"):
        edit_workflow(store, number, draft(workflow_id=9), ACTOR, now)


def test_a_pause_has_a_note_and_an_actor_and_ends_the_due_times(
    store: Store, now: datetime
) -> None:
    workflow = create(store, now)
    pause_workflow(store, workflow.workflow_id, "holidays", ACTOR, now)
    paused = stored(store, workflow)
    assert paused.pause is not None
    assert (paused.pause.note, paused.pause.actor, paused.pause.reason) == (
        "holidays",
        ACTOR,
        "operator",
    )
    assert paused.next_due_at is None
    event = events_of(store, workflow)[-1]
    assert (event.what, event.actor, event.detail) == ("paused", ACTOR, {"note": "holidays"})


def test_what_is_paused_cannot_be_paused_again(store: Store, now: datetime) -> None:
    workflow = create(store, now)
    pause_workflow(store, workflow.workflow_id, "holidays", ACTOR, now)
    with pytest.raises(
        Conflict,
        match=r"paused already, by alice since 2026-03-01 20:00 in Asia/Shanghai \(holidays\)",
    ):
        pause_workflow(store, workflow.workflow_id, "", ACTOR, now)


def test_a_resumed_workflow_is_due_from_now_on(store: Store, now: datetime) -> None:
    workflow = create(store, now)
    pause_workflow(store, workflow.workflow_id, "", ACTOR, now)
    resume_workflow(store, workflow.workflow_id, ACTOR, now + timedelta(days=3))
    resumed = stored(store, workflow)
    assert (resumed.pause, resumed.next_due_at) == (None, NEXT + timedelta(days=3))
    assert events_of(store, workflow)[-1].what == "resumed"


def test_what_is_not_paused_cannot_be_resumed(store: Store, now: datetime) -> None:
    workflow = create(store, now)
    with pytest.raises(Conflict, match="is not paused"):
        resume_workflow(store, workflow.workflow_id, ACTOR, now)


def test_a_deleted_workflow_is_gone_and_its_events_stay(store: Store, now: datetime) -> None:
    workflow = create(store, now)
    delete_workflow(store, workflow.workflow_id, ACTOR, now)
    assert store.workflows.get(workflow.workflow_id) is None
    assert [event.what for event in events_of(store, workflow)] == ["created", "deleted"]


@pytest.mark.parametrize("verb", ["edit", "pause", "resume", "delete"])
def test_a_workflow_that_does_not_exist_is_not_found(
    store: Store, now: datetime, verb: str
) -> None:
    number = WorkflowId(404)
    with pytest.raises(NotFound, match="No workflow has the workflow_id 404"):
        {
            "edit": lambda: edit_workflow(store, number, draft(), ACTOR, now),
            "pause": lambda: pause_workflow(store, number, "", ACTOR, now),
            "resume": lambda: resume_workflow(store, number, ACTOR, now),
            "delete": lambda: delete_workflow(store, number, ACTOR, now),
        }[verb]()
