"""The executions: the firings of workflows, and their steps."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel, UpdateMany, UpdateOne
from pymongo.database import Database

from shared.domain.actor import PLATFORM, Actor
from shared.domain.execution import (
    UNFINISHED,
    Execution,
    ExecutionStatus,
    MissReason,
    StepRun,
    StepStatus,
    StepTry,
    Trigger,
)
from shared.domain.ids import ExecutionId, WorkflowId
from shared.domain.message import EndReason
from shared.domain.punctuality import ExecutionGlance
from shared.store.chunks import chunks, delete_found
from shared.store.differences import differences
from shared.store.errors import insert_new
from shared.store.index_first import find_by_index
from shared.store.lenient import LONG_AGO, Form
from shared.store.windows import newest_first
from shared.store.workflows import FALLBACKS, to_document, to_workflow

GLANCED_AT = dict.fromkeys(
    (
        *("workflow_id", "status", "reason", "due_at", "expected_by", "started_at", "ended_at"),
        "detail.count",
    ),
    1,
)
Change = tuple[Execution, Execution]  # as it was read, and as it shall be

_FINAL = [status.value for status in ExecutionStatus if status.is_final]
_UNFINISHED = {"status": {"$in": [status.value for status in UNFINISHED]}}


class Executions:
    """The `executions` collection; every write is guarded by the revision that was read."""

    INDEXES = (
        IndexModel([("workflow_id", ASCENDING), ("due_at", ASCENDING)]),
        IndexModel([("status", ASCENDING), ("end_noted", ASCENDING)]),
        IndexModel("due_at"),
    )

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["executions"]

    @staticmethod
    def parse(document: Mapping[str, Any]) -> Execution:
        """Return the execution that a document is; raises KeyError, TypeError or ValueError."""
        return _to_execution(document)

    def insert(self, executions: Sequence[Execution]) -> int:
        """Insert the executions whose ids do not exist yet; return how many those were."""
        return insert_new(self._collection, [_to_document(execution) for execution in executions])

    def get(self, execution_id: ExecutionId) -> Execution | None:
        """Return the execution with this id, or None."""
        document = self._collection.find_one({"_id": execution_id})
        return _FORM.read(document) if document else None

    def newest(
        self,
        workflow_id: WorkflowId | None,
        now: datetime,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Execution]:
        """Yield the executions of a workflow, or of all, newest due time first."""
        query = {} if workflow_id is None else {"workflow_id": workflow_id}

        def read(span: dict[str, Any]) -> Iterator[Execution]:
            return _FORM.read_all(self._collection.find({**query, "due_at": span}))

        return newest_first(read, lambda e: (e.due_at, e.id), now, since, until)

    def due_between(
        self, workflow_id: WorkflowId, begin: datetime, end: datetime
    ) -> list[Execution]:
        """Return what was due of a workflow from begin to before end; newest first."""
        query = {"workflow_id": workflow_id, "due_at": {"$gte": begin, "$lt": end}}
        found = _FORM.read_all(self._collection.find(query))
        return sorted(found, key=lambda e: (e.due_at, e.id), reverse=True)

    def glance(
        self, workflow_ids: Iterable[WorkflowId], since: datetime
    ) -> Iterator[ExecutionGlance]:
        """Yield a few fields of what was due of these workflows since then."""
        # One by one: with $in the embedded server reads all executions of the workflows.
        for workflow_id in workflow_ids:
            query = {"workflow_id": workflow_id, "due_at": {"$gt": since}}
            yield from _GLANCE.read_all(self._collection.find(query, GLANCED_AT))

    def glance_between(self, begin: datetime, end: datetime) -> Iterator[ExecutionGlance]:
        """Yield a few fields of what was due of all workflows from begin to before end."""
        query = {"due_at": {"$gte": begin, "$lt": end}}
        yield from _GLANCE.read_all(self._collection.find(query, GLANCED_AT))

    def unfinished_due_times(self) -> set[datetime]:
        """Return the due times of all that wait or run."""
        return {
            document["due_at"] for document in self._collection.find(_UNFINISHED, {"due_at": 1})
        }

    def read(self, ids: Iterable[ExecutionId]) -> dict[ExecutionId, Execution]:
        """Return those of these executions that exist."""
        return {
            execution.id: execution
            for part in chunks(ids)
            for execution in _FORM.read_all(self._collection.find({"_id": {"$in": part}}))
        }

    def over_among(self, ids: Iterable[ExecutionId]) -> set[ExecutionId]:
        """Return those of these executions that have ended, or shall be cancelled."""
        fields = {"status": 1, "cancel_requested_by": 1}
        return {
            document["_id"]
            for part in chunks(set(ids))
            for document in self._collection.find({"_id": {"$in": part}}, fields)
            if document.get("status") in _FINAL or document.get("cancel_requested_by")
        }

    def unfinished(self) -> dict[ExecutionId, int]:
        """Return {id: revision} of all that wait or run."""
        return {
            document["_id"]: document.get("revision", 0)
            for document in self._collection.find(_UNFINISHED, {"revision": 1})
        }

    def unfinished_of(self, ids: Container[WorkflowId]) -> dict[WorkflowId, list[ExecutionId]]:
        """Return the executions of these workflows that wait or run, oldest first."""
        found: dict[WorkflowId, list[tuple[datetime, ExecutionId]]] = {}
        fields = {"workflow_id": 1, "due_at": 1}
        for document in self._collection.find(_UNFINISHED, fields):
            workflow = WorkflowId(document.get("workflow_id", 0))
            if workflow in ids:
                found.setdefault(workflow, []).append((document["due_at"], document["_id"]))
        return {workflow: [e for _, e in sorted(pairs)] for workflow, pairs in found.items()}

    def unnoted_ends(self, limit: int) -> list[Execution]:
        """Return executions whose end is written and not noted, so many of each status."""
        return [
            execution
            for status in _FINAL
            for execution in _FORM.read_all(
                self._collection.find({"status": status, "end_noted": False}).limit(limit)
            )
        ]

    def unnoted_among(self, ids: Iterable[ExecutionId]) -> list[Execution]:
        """Return those of these executions whose end is written and not noted."""
        return [
            execution
            for part in chunks(ids)
            for execution in _FORM.read_all(
                self._collection.find({"_id": {"$in": part}, "end_noted": False})
            )
        ]

    def mark_noted(self, ids: Iterable[ExecutionId]) -> None:
        """Remember that these ends are recorded and counted."""
        for part in chunks(ids):
            self._collection.update_many({"_id": {"$in": part}}, {"$set": {"end_noted": True}})

    def purge(self, before: datetime, limit: int) -> int:
        """Delete a slice of the ended executions that were due before this; count them.

        The retry of an old one is due as that was, and is kept from its own beginning on.
        """
        old = {"due_at": {"$lt": before}}
        ended = {"status": {"$in": _FINAL}, "created_at": {"$lt": before}}
        found = find_by_index(self._collection, old, ended, fields={"_id": 1}, limit=limit)
        return delete_found(self._collection, found)

    def replace(self, old: Execution, new: Execution) -> bool:
        """Write an execution over what was read; False when another writer was first."""
        return self.replace_all([(old, new)])

    def replace_all(self, changes: Sequence[Change], noted: Container[ExecutionId] = ()) -> bool:
        """Write many over what was read; False when another writer was first with any of them.

        Those that change alike are written together: that costs less than half. The ends of those
        that are `noted` have been recorded and counted.
        """
        groups: dict[str, Group] = {}
        for old, new in changes:
            change = differences(_to_document(old), _to_document(new, is_noted=new.id in noted))
            group = groups.setdefault(repr((old.revision, change)), Group(old.revision, change))
            group.ids.append(new.id)
        updates = [update for group in groups.values() for update in group.updates()]
        if not updates:
            return True
        return self._collection.bulk_write(updates, ordered=False).matched_count == len(changes)


@dataclass(slots=True)
class Group:
    """Executions of the same revision that change alike."""

    revision: int
    change: dict[str, Any]
    ids: list[ExecutionId] = field(default_factory=list)

    def updates(self) -> Iterator[UpdateOne | UpdateMany]:
        """Yield what writes them."""
        update = {"$set": self.change}
        if len(self.ids) == 1:
            yield UpdateOne({"_id": self.ids[0], "revision": self.revision}, update)
            return
        for part in chunks(self.ids):
            yield UpdateMany({"_id": {"$in": part}, "revision": self.revision}, update)


def _to_document(execution: Execution, *, is_noted: bool = False) -> dict[str, Any]:
    # In the same write as the end: it is recorded and counted afterwards, by any process.
    to_be_noted = {"end_noted": False} if execution.status.is_final and not is_noted else {}
    return to_be_noted | _known(
        _id=execution.id,
        workflow_id=execution.workflow_id,
        workflow=to_document(execution.workflow),
        due_at=execution.due_at,
        created_at=execution.created_at,
        status=execution.status.value,
        steps=[_step_document(step) for step in execution.steps],
        trigger=execution.trigger.value,
        actor=execution.actor,
        revision=execution.revision,
        reason=execution.reason and execution.reason.value,
        detail=dict(execution.detail) or None,
        expected_by=execution.expected_by,
        started_at=execution.started_at,
        ended_at=execution.ended_at,
        cancel_requested_by=execution.cancel_requested_by,
        retry_of=execution.retry_of,
    )


def _step_document(step: StepRun) -> dict[str, Any]:
    return _known(
        name=step.name,
        status=step.status.value,
        tries=[_try_document(a_try) for a_try in step.tries],
        next_try_at=step.next_try_at,
        started_at=step.started_at,
        ended_at=step.ended_at,
        reason=step.reason and step.reason.value,
        error=step.error,
    )


def _try_document(a_try: StepTry) -> dict[str, Any]:
    return _known(
        message_id=a_try.message_id,
        module_hash=a_try.module_hash,
        at=a_try.at,
        chosen_because=a_try.chosen_because,
        ended_at=a_try.ended_at,
        reason=a_try.reason and a_try.reason.value,
        error=a_try.error,
    )


def _known(**fields: Any) -> dict[str, Any]:
    """Leave out what is not known: the embedded server takes its time for each field."""
    return {key: value for key, value in fields.items() if value is not None}


def _to_execution(document: Mapping[str, Any]) -> Execution:
    canceller = document.get("cancel_requested_by")
    return Execution(
        id=ExecutionId(document["_id"]),
        workflow=to_workflow(document["workflow"]),
        due_at=document["due_at"],
        created_at=document["created_at"],
        status=ExecutionStatus(document["status"]),
        steps=tuple(_to_step(step) for step in document["steps"]),
        trigger=Trigger(document["trigger"]),
        actor=Actor(document["actor"]),
        revision=document["revision"],
        reason=_to_reason(document.get("reason")),
        detail=document.get("detail") or {},
        expected_by=document.get("expected_by"),
        started_at=document.get("started_at"),
        ended_at=document.get("ended_at"),
        cancel_requested_by=Actor(canceller) if canceller else None,
        retry_of=document.get("retry_of"),
    )


def _to_reason(text: str | None) -> MissReason | EndReason | None:
    if not text:
        return None
    return MissReason(text) if text in set(MissReason) else EndReason(text)


def _to_step(document: Mapping[str, Any]) -> StepRun:
    reason = document.get("reason")
    return StepRun(
        name=document["name"],
        status=StepStatus(document["status"]),
        tries=tuple(_to_try(a_try) for a_try in document["tries"]),
        next_try_at=document.get("next_try_at"),
        started_at=document.get("started_at"),
        ended_at=document.get("ended_at"),
        reason=EndReason(reason) if reason else None,
        error=document.get("error"),
    )


def _to_try(document: Mapping[str, Any]) -> StepTry:
    reason = document.get("reason")
    return StepTry(
        message_id=document["message_id"],
        module_hash=document["module_hash"],
        at=document["at"],
        chosen_because=document["chosen_because"],
        ended_at=document.get("ended_at"),
        reason=EndReason(reason) if reason else None,
        error=document.get("error"),
    )


def _to_glance(document: Mapping[str, Any]) -> ExecutionGlance:
    return ExecutionGlance(
        workflow_id=WorkflowId(document["workflow_id"]),
        status=ExecutionStatus(document["status"]),
        reason=_to_reason(document.get("reason")),
        due_at=document["due_at"],
        expected_by=document.get("expected_by"),
        started_at=document.get("started_at"),
        ended_at=document.get("ended_at"),
        count=(document.get("detail") or {}).get("count", 1),
    )


_GLANCE = Form(
    collection="executions",
    parse=_to_glance,
    fallbacks={
        "status": ExecutionStatus.CANCELLED,
    },
)
_FORM = Form(
    collection="executions",
    parse=_to_execution,
    fallbacks={
        "workflow": FALLBACKS,
        "due_at": LONG_AGO,
        "created_at": LONG_AGO,
        # An unknown status is a newer release's: this one must not go on with it.
        "status": ExecutionStatus.CANCELLED,
        "trigger": Trigger.SCHEDULE,
        "actor": PLATFORM,
        "revision": 1,
    },
)
