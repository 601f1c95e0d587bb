"""Workflows are created, edited, paused, resumed and deleted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from shared.domain.actor import Actor
from shared.domain.event import OPERATOR, workflow_decided
from shared.domain.ids import ModuleHash, WorkflowId
from shared.domain.phrases import WallClock, name_actor
from shared.domain.workflow import Pause, Step, Workflow
from shared.domain.workflow_document import find_difference, modules_of, to_file
from shared.domain.workflow_file import (
    CHOSEN_NUMBER_MAX,
    Reference,
    StepDraft,
    WorkflowDraft,
)
from shared.errors import Conflict, InvalidData, NotFound
from shared.services.module_directory import ModuleDirectory
from shared.services.module_lookup import find_hash
from shared.services.overdue import (
    fire_overdue,
    is_overdue,
    leave_out_overdue,
    leave_out_paused,
    record_left_out,
)
from shared.services.workflow_lookup import get_workflow, names_of_their_own
from shared.store import Store
from shared.store.counters import WORKFLOW_ID

RACES_TO_LOSE = 20
CHANGE_SHOWN = 500
Difference = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Edited:
    """A workflow after an edit, and what that changed: nothing, and there is no new version."""

    workflow: Workflow
    difference: Difference


def create_workflow(
    store: Store,
    draft: WorkflowDraft,
    actor: Actor,
    now: datetime,
    directory: ModuleDirectory | None = None,
) -> Workflow:
    """Create a workflow, under its own number or the next one.

    Raises NotFound for unknown modules, Conflict when the number is taken, InvalidData when it is
    too high.
    """
    given = draft.workflow_id
    if given and given > CHOSEN_NUMBER_MAX:
        raise InvalidData(f"workflow_id must be from 1 to {CHOSEN_NUMBER_MAX}.")
    steps = _find_modules(store, draft, directory or ModuleDirectory())
    number = WorkflowId(given) if given else store.counters.next_workflow_id()
    while not store.workflows.insert(workflow := _make(draft, steps, number, now)):
        if given:
            raise Conflict(f"The workflow_id {given} is taken: {_name(store, number)!r} has it.")
        number = store.counters.next_workflow_id()
    if given:
        store.counters.raise_to(WORKFLOW_ID, given)
    detail = {"name": workflow.name, "version": workflow.version}
    store.events.record([workflow_decided(number, "created", now, actor, detail)])
    return workflow


def edit_workflow(
    store: Store,
    workflow_id: WorkflowId,
    draft: WorkflowDraft,
    actor: Actor,
    now: datetime,
    directory: ModuleDirectory | None = None,
) -> Edited:
    """Make another version of a workflow; executions that have begun keep theirs.

    Raises NotFound for an unknown workflow or module.
    """
    if draft.workflow_id not in (None, workflow_id):
        raise Conflict(f"The file is of the workflow_id {draft.workflow_id}, not of {workflow_id}.")
    steps = _find_modules(store, draft, directory or ModuleDirectory())
    difference: Difference = {}

    def edit(old: Workflow) -> Workflow | None:
        nonlocal difference
        new = _make(draft, steps, workflow_id, now)
        difference = find_difference(to_file(old), to_file(new))
        if not difference:
            return old
        new = replace(
            new,
            created_at=old.created_at,
            version=old.version + 1,
            failures_in_a_row=old.failures_in_a_row,
            pause=old.pause,
        )
        is_fired = is_overdue(old, now) and (new.is_scheduled or old.pause is not None)
        if is_fired and fire_overdue(store, old, now):
            return None
        leave_out_overdue(store, old, now)
        new = replace(new, next_due_at=_next_due_of_edited(old, new, now))
        return new if store.workflows.edit(old, new) else None

    workflow = _change(store, workflow_id, edit)
    if difference:
        detail = {"version": workflow.version, "changes": _tell(difference)}
        store.events.record([workflow_decided(workflow_id, "edited", now, actor, detail)])
    return Edited(workflow=workflow, difference=difference)


def compare_with_file(
    store: Store, workflow: Workflow, draft: WorkflowDraft, directory: ModuleDirectory
) -> Difference:
    """Return what an edit by this draft would change, modules by their names."""
    steps = _find_modules(store, draft, directory)
    new = _make(draft, steps, workflow.workflow_id, workflow.updated_at)
    names = names_of_their_own(store, modules_of(workflow) | modules_of(new), directory)
    return find_difference(to_file(workflow, names), to_file(new, names))


def pause_workflow(
    store: Store, workflow_id: WorkflowId, note: str, actor: Actor, now: datetime
) -> Workflow:
    """Pause a workflow until it is resumed; what runs goes on. Raises NotFound, or Conflict."""
    pause = Pause(at=now, actor=actor, reason=OPERATOR, note=note)

    def write(old: Workflow) -> Workflow | None:
        if old.pause:
            raise Conflict(_tell_paused(old, old.pause))
        due_at = old.next_due_at if is_overdue(old, now) else None
        new = replace(old, pause=pause, next_due_at=due_at)
        return new if store.workflows.pause(old, pause, due_at) else None

    paused = _change(store, workflow_id, write)
    store.events.record([workflow_decided(workflow_id, "paused", now, actor, {"note": note})])
    # Last: a worker records what was due, too, should this process be killed.
    return record_left_out(store, paused, now)


def resume_workflow(store: Store, workflow_id: WorkflowId, actor: Actor, now: datetime) -> Workflow:
    """End a pause: it is due again from now on. Raises NotFound, or Conflict."""

    def write(old: Workflow) -> Workflow | None:
        if not old.pause:
            raise Conflict(f"The workflow {old.name!r} is not paused.")
        if is_overdue(old, now) and fire_overdue(store, old, now):
            return None  # what was due when it was paused is recorded first
        leave_out_paused(store, old, now)
        new = replace(old, pause=None, failures_in_a_row=0)
        new = replace(new, next_due_at=new.due_after(now))
        return new if store.workflows.resume(old, new.next_due_at) else None

    resumed = _change(store, workflow_id, write)
    store.events.record([workflow_decided(workflow_id, "resumed", now, actor)])
    return resumed


def delete_workflow(store: Store, workflow_id: WorkflowId, actor: Actor, now: datetime) -> Workflow:
    """Delete a workflow; its executions and events stay. Raises NotFound."""
    workflow = get_workflow(store, workflow_id)
    if store.workflows.delete(workflow_id):
        detail = {"name": workflow.name}
        store.events.record([workflow_decided(workflow_id, "deleted", now, actor, detail)])
    return workflow


def _change(
    store: Store, workflow_id: WorkflowId, write: Callable[[Workflow], Workflow | None]
) -> Workflow:
    """Write a change over what was read, again and again while others are faster."""
    for _ in range(RACES_TO_LOSE):
        changed = write(get_workflow(store, workflow_id))
        if changed is not None:
            return changed
    raise Conflict("This workflow is being changed by others all the time; try again.")


def _tell_paused(workflow: Workflow, pause: Pause) -> str:
    zone = WallClock.of(workflow.timezone, pause.at).zone
    note = f" ({pause.note})" if pause.note else ""
    return (
        f"The workflow {workflow.name!r} is paused already, by {name_actor(pause.actor)} since "
        f"{pause.at.astimezone(zone):%Y-%m-%d %H:%M} in {workflow.timezone}{note}. "
        "For another note, resume it and pause it again."
    )


def _tell(difference: Difference) -> list[dict[str, str]]:
    """Return a difference for an event: as text, because args may have keys of any kind."""
    return [
        {"field": name} | {end: _as_text(value) for end, value in ends.items()}
        for name, ends in difference.items()
    ]


def _as_text(value: Any) -> str:
    return orjson.dumps(value).decode()[:CHANGE_SHOWN]


def _next_due_of_edited(old: Workflow, new: Workflow, now: datetime) -> datetime | None:
    """Return when an edited workflow is due: a schedule that stays as it is loses no due time."""
    is_same = (old.crons, old.timezone, old.shift, old.is_scheduled) == (
        new.crons,
        new.timezone,
        new.shift,
        new.is_scheduled,
    )
    return old.next_due_at if is_same else new.due_after(now)


def _find_modules(
    store: Store, draft: WorkflowDraft, directory: ModuleDirectory
) -> tuple[Step, ...]:
    """Return the steps with the modules that they mean; raises NotFound or Conflict for all of them."""
    found: dict[str, ModuleHash] = {}
    problems: list[tuple[Reference, NotFound | Conflict]] = []
    for reference in (reference for step in draft.steps for reference in step.references):
        try:
            if reference.text not in found:
                found[reference.text] = find_hash(store, reference.text, directory)
        except (NotFound, Conflict) as error:
            problems.append((reference, error))
    if problems:
        told = [(r.path, f"{r}: {error.message}") for r, error in problems]
        refusal = type(problems[0][1])("\n".join(sentence for _, sentence in told))
        refusal.problems = tuple(told)
        raise refusal
    return tuple(_make_step(step, found) for step in draft.steps)


def _make_step(draft: StepDraft, found: Mapping[str, ModuleHash]) -> Step:
    return Step(
        name=draft.name,
        module_hash=found[draft.module.text] if draft.module else None,
        mission_kind=draft.mission_kind,
        fallback=tuple(found[reference.text] for reference in draft.fallback),
        args=draft.args,
        after=draft.after,
    )


def _make(
    draft: WorkflowDraft, steps: tuple[Step, ...], number: WorkflowId, now: datetime
) -> Workflow:
    workflow = Workflow(
        workflow_id=number,
        name=draft.name,
        steps=steps,
        crons=draft.crons,
        created_at=now,
        updated_at=now,
        description=draft.description,
        enabled=draft.enabled,
        timezone=draft.timezone,
        shift_time=draft.shift_time,
        shift_unit=draft.shift_unit,
        overlap=draft.overlap,
        misfire=draft.misfire,
        timeout_seconds=draft.timeout_seconds,
        start_timeout_seconds=draft.start_timeout_seconds,
        retries=draft.retries,
        expected_within_seconds=draft.expected_within_seconds,
        pause_after_failures=draft.pause_after_failures,
    )
    return replace(workflow, next_due_at=workflow.due_after(now))


def _name(store: Store, number: WorkflowId) -> str:
    workflow = store.workflows.get(number)
    return workflow.name if workflow else ""
