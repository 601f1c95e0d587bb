"""The workflows: schedules, and when each is due next."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson
from pymongo import ASCENDING, IndexModel
from pymongo.database import Database

from shared.domain.actor import Actor
from shared.domain.ids import WorkflowId
from shared.domain.workflow import (
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT_SECONDS,
    DEFAULT_TIMEZONE,
    Misfire,
    Overlap,
    Pause,
    ShiftUnit,
    Step,
    Workflow,
)
from shared.store.errors import insert_new
from shared.store.lenient import LONG_AGO, Form

# What happens to a workflow is not what an edit says.
_NOT_EDITED = {"_id", "created_at", "pause", "failures_in_a_row"}


class Workflows:
    """The `workflows` collection; `_id` is the workflow_id."""

    INDEXES = (IndexModel("next_due_at"),)

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["workflows"]

    @staticmethod
    def parse(document: Mapping[str, Any]) -> Workflow:
        """Return the workflow that a document is; raises KeyError, TypeError or ValueError."""
        return to_workflow(document)

    def insert(self, workflow: Workflow) -> bool:
        """Insert a workflow; False when its number is taken."""
        return insert_new(self._collection, [to_document(workflow)]) == 1

    def get(self, workflow_id: WorkflowId) -> Workflow | None:
        """Return the workflow with this number, or None."""
        document = self._collection.find_one({"_id": workflow_id})
        return _FORM.read(document) if document else None

    def named(self, name: str) -> list[Workflow]:
        """Return the workflows of this name, by number (a scan: people ask, not programs)."""
        found = _FORM.read_all(self._collection.find({"name": name}))
        return sorted(found, key=lambda workflow: workflow.workflow_id)

    def edit(self, old: Workflow, new: Workflow) -> bool:
        """Write another version of a workflow; False when it has changed since it was read."""
        document = to_document(new)
        changed = {key: document[key] for key in document.keys() - _NOT_EDITED}
        return self._update(old, {"$set": changed})

    def pause(self, workflow: Workflow, pause: Pause, next_due_at: datetime | None) -> bool:
        """Pause a workflow; False when it has changed since it was read.

        A due time that has come stays, until it is recorded as missed.
        """
        paused = {"pause": pause_document(pause), "next_due_at": next_due_at}
        return self._update(workflow, {"$set": paused})

    def resume(self, workflow: Workflow, next_due_at: datetime | None) -> bool:
        """End a workflow's pause; False when it has changed since it was read."""
        resumed = {"pause": None, "next_due_at": next_due_at, "failures_in_a_row": 0}
        return self._update(workflow, {"$set": resumed})

    def delete(self, workflow_id: WorkflowId) -> bool:
        """Delete a workflow; False when it is gone already."""
        return self._collection.delete_one({"_id": workflow_id}).deleted_count == 1

    def _update(self, read: Workflow, update: Mapping[str, Any]) -> bool:
        """Update a workflow whose version, due time and pause are still as they were read."""
        guard: dict[str, Any] = {
            "_id": read.workflow_id,
            "version": read.version,
            "next_due_at": read.next_due_at,
        }
        if read.pause is None:
            guard["pause"] = None
        else:
            guard["pause.at"] = read.pause.at
        return self._collection.update_one(guard, update).matched_count == 1

    def all(self) -> list[Workflow]:
        """Return every workflow, by number."""
        return sorted(self.each(), key=lambda workflow: workflow.workflow_id)

    def each(self) -> Iterator[Workflow]:
        """Yield every workflow, in no order."""
        yield from _FORM.read_all(self._collection.find({}))

    def after(self, workflow_id: int, limit: int = 0) -> Iterator[Workflow]:
        """Yield the workflows with greater numbers than this, by number: so many, or all."""
        query = {"_id": {"$gt": workflow_id}}
        yield from _FORM.read_all(self._collection.find(query).sort("_id", ASCENDING).limit(limit))

    def names(self, *, of_enabled: bool = False) -> dict[WorkflowId, str]:
        """Return the names of all workflows, or of those that are enabled, by number."""
        query = {"enabled": True} if of_enabled else {}
        found = {d["_id"]: d.get("name", "") for d in self._collection.find(query, {"name": 1})}
        return dict(sorted(found.items()))


def to_document(workflow: Workflow) -> dict[str, Any]:
    """Return a workflow as a document; also as a part of its executions."""
    pause = workflow.pause
    return {
        "_id": workflow.workflow_id,
        "name": workflow.name,
        "steps": [_step_document(step) for step in workflow.steps],
        "crons": list(workflow.crons),
        "created_at": workflow.created_at,
        "updated_at": workflow.updated_at,
        "description": workflow.description,
        "enabled": workflow.enabled,
        "timezone": workflow.timezone,
        "shift_time": workflow.shift_time,
        "shift_unit": workflow.shift_unit.value,
        "overlap": workflow.overlap.value,
        "misfire": workflow.misfire.value,
        "timeout_seconds": workflow.timeout_seconds,
        "start_timeout_seconds": workflow.start_timeout_seconds,
        "retries": workflow.retries,
        "expected_within_seconds": workflow.expected_within_seconds,
        "pause_after_failures": workflow.pause_after_failures,
        "version": workflow.version,
        "failures_in_a_row": workflow.failures_in_a_row,
        "next_due_at": workflow.next_due_at,
        "pause": pause_document(pause) if pause else None,
    }


def _step_document(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "module_hash": step.module_hash,
        "missionKind": step.mission_kind,
        "fallback": list(step.fallback),
        # As text: any JSON may stand there, also keys that the database would not take.
        "args": orjson.dumps(step.args).decode(),
        "after": list(step.after),
    }


def pause_document(pause: Pause) -> dict[str, Any]:
    """Return a pause as a part of its workflow's document."""
    return {"at": pause.at, "actor": pause.actor, "reason": pause.reason, "note": pause.note}


def to_workflow(document: Mapping[str, Any]) -> Workflow:
    """Return the workflow that a document, or a part of an execution's, is."""
    pause = document.get("pause")
    return Workflow(
        workflow_id=WorkflowId(document["_id"]),
        name=document["name"],
        steps=tuple(_to_step(step) for step in document["steps"]),
        crons=tuple(document["crons"]),
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        description=document["description"],
        enabled=document["enabled"],
        timezone=document["timezone"],
        shift_time=document["shift_time"],
        shift_unit=ShiftUnit(document["shift_unit"]),
        overlap=Overlap(document["overlap"]),
        misfire=Misfire(document["misfire"]),
        timeout_seconds=document["timeout_seconds"],
        start_timeout_seconds=document.get("start_timeout_seconds"),
        retries=document["retries"],
        expected_within_seconds=document.get("expected_within_seconds"),
        pause_after_failures=document["pause_after_failures"],
        version=document["version"],
        failures_in_a_row=document["failures_in_a_row"],
        next_due_at=document["next_due_at"],
        pause=_to_pause(pause) if pause else None,
    )


def _to_step(document: Mapping[str, Any]) -> Step:
    return Step(
        name=document["name"],
        module_hash=document["module_hash"],
        mission_kind=document["missionKind"],
        fallback=tuple(document["fallback"]),
        args=orjson.loads(document["args"]),
        after=tuple(document["after"]),
    )


def _to_pause(document: Mapping[str, Any]) -> Pause:
    return Pause(
        at=document["at"],
        actor=Actor(document["actor"]),
        reason=document["reason"],
        note=document.get("note", ""),
    )


FALLBACKS: dict[str, Any] = {
    "name": "",
    "crons": (),
    "created_at": LONG_AGO,
    "updated_at": LONG_AGO,
    "description": "",
    "enabled": False,
    "timezone": DEFAULT_TIMEZONE,
    "shift_time": 0,
    "shift_unit": ShiftUnit.SECOND,
    "overlap": Overlap.SKIP,
    "misfire": Misfire.LATEST_ONLY,
    "timeout_seconds": DEFAULT_TIMEOUT_SECONDS,
    "retries": DEFAULT_RETRIES,
    "pause_after_failures": 0,
    "version": 1,
    "failures_in_a_row": 0,
    "next_due_at": None,
}
_FORM = Form(collection="workflows", parse=to_workflow, fallbacks=FALLBACKS)
