"""The schedule's side of the workflows: when each is due, and how often it failed in a row."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo.database import Database

from shared.domain.ids import ExecutionId, WorkflowId
from shared.domain.workflow import Pause, Workflow
from shared.store.chunks import chunks
from shared.store.workflows import _FORM, pause_document

# Far more than the executions of one workflow that end at the same time.
COUNTED_KEPT = 50


@dataclass(frozen=True, kw_only=True)
class DueMove:
    """A workflow's due time, moved to the next one, if there is one."""

    workflow: Workflow
    next_due_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Due:
    """Workflows that are due, and those of them that this release cannot read."""

    workflows: tuple[Workflow, ...]
    unreadable: tuple[WorkflowId, ...]


class DueWorkflows:
    """The fields of the `workflows` collection that the worker writes; every write is guarded."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["workflows"]

    def due_numbers(
        self, now: datetime, limit: int, besides: Collection[WorkflowId] = ()
    ) -> list[WorkflowId]:
        """Return the numbers of so many of the workflows that are due, besides these.

        The embedded server reads all that is due, whatever the limit.
        """
        found = self._collection.find({"next_due_at": {"$lte": now}}, {"_id": 1})
        numbers = [one["_id"] for one in found.limit(limit + len(besides))]
        return [number for number in numbers if number not in besides][:limit]

    def read_due(self, numbers: Iterable[WorkflowId], now: datetime) -> Due:
        """Return those of these workflows that are due now."""
        documents = [
            document
            for part in chunks(numbers)
            for document in self._collection.find({"_id": {"$in": part}})
        ]
        read = {document["_id"]: _FORM.read(document) for document in documents}
        return Due(
            workflows=tuple(
                w for w in read.values() if w and w.next_due_at and w.next_due_at <= now
            ),
            unreadable=tuple(number for number, workflow in read.items() if workflow is None),
        )

    def due_soon(self, until: datetime, besides: Collection[WorkflowId] = ()) -> datetime | None:
        """Return when the first workflow besides these is due until then; None when none is.

        A narrow range: the embedded server reads all of it, whatever the limit.
        """
        soon = self._collection.find({"next_due_at": {"$lte": until}}, {"next_due_at": 1})
        first = soon.sort("next_due_at").limit(1 + len(besides))
        return next((d["next_due_at"] for d in first if d["_id"] not in besides), None)

    def move(self, moves: Sequence[DueMove]) -> int:
        """Move due times that are still as they were read; return how many were."""
        groups: defaultdict[tuple[Any, ...], list[WorkflowId]] = defaultdict(list)
        for move in moves:
            workflow = move.workflow
            paused_at = workflow.pause.at if workflow.pause else None
            key = (workflow.next_due_at, workflow.version, paused_at, move.next_due_at)
            groups[key].append(workflow.workflow_id)
        moved = 0
        for (old, version, paused_at, new), ids in groups.items():
            pause = {"pause.at": paused_at} if paused_at else {"pause": None}
            for part in chunks(ids):
                guard = {"_id": {"$in": part}, "next_due_at": old, "version": version, **pause}
                result = self._collection.update_many(guard, {"$set": {"next_due_at": new}})
                moved += result.matched_count
        return moved

    def count_failure(self, workflow_id: WorkflowId, execution_id: ExecutionId) -> Workflow | None:
        """Count a failure, once per execution; return the workflow as it is then."""
        kept = {"$each": [execution_id], "$slice": -COUNTED_KEPT}
        self._collection.update_one(
            {"_id": workflow_id, "counted_failures": {"$ne": execution_id}},
            {"$inc": {"failures_in_a_row": 1}, "$push": {"counted_failures": kept}},
        )
        document = self._collection.find_one({"_id": workflow_id})
        return _FORM.read(document) if document else None

    def end_failures(self, ids: Iterable[WorkflowId]) -> None:
        """Begin to count anew for workflows that succeeded."""
        for part in chunks(ids):
            guard = {"_id": {"$in": part}, "failures_in_a_row": {"$gt": 0}}
            # Nearly always none: a look costs the embedded server half of an update of nothing.
            if failed := [one["_id"] for one in self._collection.find(guard, {"_id": 1})]:
                guard["_id"] = {"$in": failed}
                self._collection.update_many(guard, {"$set": {"failures_in_a_row": 0}})

    def pause(self, workflow_id: WorkflowId, failures: int, pause: Pause) -> bool:
        """Pause a workflow that failed so often; False when it is paused, or succeeded since.

        One that is due now fires first: that due time would be lost.
        """
        guard = {
            "_id": workflow_id,
            "pause": None,
            "failures_in_a_row": {"$gte": failures},
            "next_due_at": {"$not": {"$lte": pause.at}},
        }
        update = {"$set": {"pause": pause_document(pause), "next_due_at": None}}
        return self._collection.update_one(guard, update).matched_count == 1
