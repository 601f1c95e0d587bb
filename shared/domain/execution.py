"""An execution: one firing of a workflow, and what became of its steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.domain.actor import PLATFORM, Actor
from shared.domain.ids import ExecutionId, MessageId, ModuleHash, WorkflowId
from shared.domain.message import EndReason
from shared.domain.workflow import Workflow


class ExecutionStatus(StrEnum):
    """Where an execution is in its life."""

    WAITING = "waiting"  # for the one before it (overlap: queue)
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    MISSED = "missed"  # never started: its time had passed; `detail` may cover `count` due times
    SKIPPED = "skipped"  # never started: the one before it was still running (overlap: skip)

    @property
    def is_final(self) -> bool:
        """Return whether nothing can change any more."""
        return self not in UNFINISHED


UNFINISHED = (ExecutionStatus.WAITING, ExecutionStatus.RUNNING)
NEVER_STARTED = (ExecutionStatus.MISSED, ExecutionStatus.SKIPPED)


class Trigger(StrEnum):
    """What started an execution."""

    SCHEDULE = "schedule"
    OPERATOR = "operator"
    RETRY = "retry"


class MissReason(StrEnum):
    """Why a due time was missed or skipped."""

    NO_WORKER = "no_worker"
    NO_DATABASE = "no_database"
    CLOCK_DISTRUSTED = "clock_distrusted"
    OVERLAP = "overlap"
    PAUSED = "paused"
    POLICY = "policy"  # misfire: skip
    BEHIND = "behind"  # workers were running, and could not keep up


class StepStatus(StrEnum):
    """Where a step is in its life."""

    WAITING = "waiting"  # for the steps that it comes after, or for its next try
    SENT = "sent"  # its message is on its way, or at the module
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Return whether nothing can change any more."""
        return self not in (StepStatus.WAITING, StepStatus.SENT)


@dataclass(frozen=True, kw_only=True)
class StepTry:
    """One message of a step, and how it ended."""

    message_id: MessageId
    module_hash: ModuleHash
    at: datetime
    chosen_because: str = ""
    ended_at: datetime | None = None
    reason: EndReason | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class StepRun:
    """What became of a step so far; its last try is the current one."""

    name: str
    status: StepStatus = StepStatus.WAITING
    tries: tuple[StepTry, ...] = ()
    next_try_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: EndReason | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One firing.

    `workflow` is the workflow as it was when the execution began. `revision` guards every write: a
    worker writes only over the revision that it read.
    """

    id: ExecutionId
    workflow: Workflow
    due_at: datetime
    created_at: datetime
    status: ExecutionStatus
    steps: tuple[StepRun, ...]
    trigger: Trigger = Trigger.SCHEDULE
    actor: Actor = PLATFORM
    revision: int = 1
    reason: MissReason | EndReason | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    expected_by: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancel_requested_by: Actor | None = None
    retry_of: ExecutionId | None = None

    @property
    def workflow_id(self) -> WorkflowId:
        """Return the workflow's number."""
        return self.workflow.workflow_id

    def is_late(self, at: datetime) -> bool:
        """Return whether this moment is after the time that its success is expected by."""
        return self.expected_by is not None and at > self.expected_by


def scheduled_id(workflow_id: WorkflowId, due_at: datetime) -> ExecutionId:
    """Return the id of the one execution of this workflow at this due time (UTC)."""
    return ExecutionId(f"{workflow_id}-{due_at:%Y%m%dT%H%M%S}")


def message_id(execution_id: ExecutionId, position: int, number: int) -> MessageId:
    """Return the id of the n-th message of the step at this position: made twice, it is one."""
    return MessageId(f"{execution_id}.{position}.{number}")
