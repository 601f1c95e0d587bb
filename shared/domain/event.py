"""An event: one recorded change of something's state, with its reason and its actor."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.domain.actor import MODULE, PLATFORM, Actor
from shared.domain.closing import OfflineReason
from shared.domain.execution import Execution, ExecutionStatus, MissReason
from shared.domain.ids import ExecutionId, MessageId, ModuleHash, NodeId, WorkflowId
from shared.domain.module import Change, Module
from shared.domain.presence import State

# Why something happened, beside the reasons for going offline.
OPERATOR = "operator"
FAILURES = "failures"  # of a workflow's executions, in a row
CLOCK_DISTRUSTED, CLOCK_TRUSTED = "clock_distrusted", "clock_trusted"
SAID_MAX = 2000  # of what a module says besides its results
TWO_PROGRAMS = "two_programs"  # they use one hash at once, and end each other's sessions in turn
LATE = "late"  # an execution that succeeded after the time that it was expected by
WORKERS_AWAY = "away"
DELETED = "deleted"
# What ends a module's session: a deletion is told once, and is the end of a session as well.
ENDINGS = (State.OFFLINE.value, DELETED)
PRESENCE = (State.ONLINE.value, *ENDINGS)


class SubjectKind(StrEnum):
    """What an event is about."""

    MODULE = "module"
    NODE = "node"
    WORKER = "worker"
    MESSAGE = "message"
    WORKFLOW = "workflow"
    EXECUTION = "execution"
    OTHER = "other"  # something that a newer release tells of


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One thing that events are about."""

    kind: SubjectKind
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def module_subject(module_hash: ModuleHash) -> Subject:
    """Return a module as a subject."""
    return Subject(kind=SubjectKind.MODULE, id=module_hash)


def node_subject(node: NodeId) -> Subject:
    """Return a node as a subject."""
    return Subject(kind=SubjectKind.NODE, id=node)


def worker_subject(node_name: str, port: int) -> Subject:
    """Return the worker with this port of a machine as a subject, however often it was restarted."""
    return Subject(kind=SubjectKind.WORKER, id=f"{node_name}:{port}")


ALL_WORKERS = Subject(kind=SubjectKind.WORKER, id="all")


def workflow_subject(workflow_id: WorkflowId) -> Subject:
    """Return a workflow as a subject."""
    return Subject(kind=SubjectKind.WORKFLOW, id=str(workflow_id))


def execution_subject(execution_id: ExecutionId) -> Subject:
    """Return an execution as a subject."""
    return Subject(kind=SubjectKind.EXECUTION, id=execution_id)


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happened to a subject; the id is made of what happened, so two writers write one."""

    id: str
    subject: Subject
    at: datetime
    what: str
    reason: str | None = None
    actor: Actor = PLATFORM
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """Return the epoch of the session that it is about; 0 if it is about none."""
        epoch = self.detail.get("epoch", 0)
        return epoch if isinstance(epoch, int) else 0


def came_online(
    module_hash: ModuleHash, epoch: int, at: datetime, *, node: str, peer: str
) -> Event:
    """Return the event of a session that began."""
    subject = module_subject(module_hash)
    return Event(
        id=f"{subject}:{epoch}:{State.ONLINE}",
        subject=subject,
        at=at,
        what=State.ONLINE.value,
        actor=MODULE,
        detail={"epoch": epoch, "node": node, "peer": peer},
    )


def went_offline(
    module_hash: ModuleHash,
    epoch: int,
    at: datetime,
    reason: OfflineReason,
    *,
    actor: Actor = PLATFORM,
    detail: Mapping[str, Any] | None = None,
) -> Event:
    """Return the event of a session that ended; that of a deleted module tells of the deletion."""
    subject = module_subject(module_hash)
    is_deleted = reason is OfflineReason.DELETED
    return Event(
        id=f"{subject}:{epoch}:{State.OFFLINE}",
        subject=subject,
        at=at,
        what=DELETED if is_deleted else State.OFFLINE.value,
        reason=OPERATOR if is_deleted else reason.value,
        actor=actor,
        detail={"epoch": epoch, **(detail or {})},
    )


def was_registered(module: Module, at: datetime) -> Event:
    """Return the event of a first registration."""
    subject = module_subject(module.module_hash)
    return Event(
        id=f"{subject}:{module.module_id}:registered",
        subject=subject,
        at=at,
        what="registered",
        actor=MODULE,
        detail={"name": module.name, "module_id": module.module_id},
    )


def was_changed(module: Module, change: Change) -> Event:
    """Return the event of a re-registration that said something new."""
    subject = module_subject(module.module_hash)
    return Event(
        id=f"{subject}:{module.module_id}:revision-{change.revision}",
        subject=subject,
        at=change.at,
        what="changed",
        actor=MODULE,
        detail={"revision": change.revision, "difference": change.difference},
    )


def takeover_refused(
    module_hash: ModuleHash, at: datetime, *, incumbent: str, newcomer: str
) -> Event:
    """Return the event of a newcomer that was refused: two programs use one hash at once."""
    subject = module_subject(module_hash)
    return Event(
        id=f"{subject}:{at.isoformat()}:takeover_refused",
        subject=subject,
        at=at,
        what="takeover_refused",
        reason=TWO_PROGRAMS,
        detail={"incumbent": incumbent, "newcomer": newcomer},
    )


def was_decided(
    module_hash: ModuleHash,
    what: str,
    at: datetime,
    actor: Actor,
    detail: Mapping[str, Any] | None = None,
) -> Event:
    """Return the event of an operator's decision about a module (enabled, disabled, deleted)."""
    return _decided(module_subject(module_hash), what, at, actor, detail)


def was_said(message_id: MessageId, at: datetime, text: str, number: int) -> Event:
    """Return the event of a word about a message that is neither a result nor anything known.

    Several may come at the same time: their numbers tell them apart.
    """
    subject = Subject(kind=SubjectKind.MESSAGE, id=message_id)
    return Event(
        id=f"{subject}:{at.isoformat()}:said:{number}",
        subject=subject,
        at=at,
        what="said",
        actor=MODULE,
        detail={"text": text[:SAID_MAX]},
    )


def workflow_decided(
    workflow_id: WorkflowId,
    what: str,
    at: datetime,
    actor: Actor,
    detail: Mapping[str, Any] | None = None,
) -> Event:
    """Return the event of a decision about a workflow (created, edited, paused, resumed, deleted)."""
    return _decided(workflow_subject(workflow_id), what, at, actor, detail)


def message_decided(message_id: MessageId, what: str, at: datetime, actor: Actor) -> Event:
    """Return the event of an operator's decision about a message (cancelled, retried)."""
    subject = Subject(kind=SubjectKind.MESSAGE, id=message_id)
    return _decided(subject, what, at, actor)


def _decided(
    subject: Subject,
    what: str,
    at: datetime,
    actor: Actor,
    detail: Mapping[str, Any] | None = None,
) -> Event:
    return Event(
        id=f"{subject}:{at.isoformat()}:{what}",
        subject=subject,
        at=at,
        what=what,
        reason=OPERATOR,
        actor=actor,
        detail=detail or {},
    )


def node_changed(node: NodeId, what: str, at: datetime, reason: str | None = None) -> Event:
    """Return the event of a node that was enrolled, lost or retired."""
    subject = node_subject(node)
    return Event(id=f"{subject}:{what}", subject=subject, at=at, what=what, reason=reason)


def clock_changed(worker: Subject, at: datetime, doubt: str | None, seconds: float) -> Event:
    """Return the event of a wall clock that a worker ceased to trust, or trusts again (no doubt)."""
    what = CLOCK_DISTRUSTED if doubt else CLOCK_TRUSTED
    return Event(
        id=f"{worker}:{at.isoformat()}:{what}",
        subject=worker,
        at=at,
        what=what,
        reason=doubt,
        detail={"seconds": round(seconds, 1)} if doubt else {},
    )


def workers_were_away(since: datetime, until: datetime, reason: MissReason) -> Event:
    """Return the event of a time in which no worker did anything, told when it was over."""
    return Event(
        id=f"{ALL_WORKERS}:{since.isoformat()}:{WORKERS_AWAY}",
        subject=ALL_WORKERS,
        at=until,
        what=WORKERS_AWAY,
        reason=reason.value,
        detail={"since": since},
    )


def execution_ended(execution: Execution, at: datetime) -> Event | None:
    """Return the event of an execution that ended; None for one that succeeded in time.

    `at` is when it ended, or when it was found to be missed or skipped.
    """
    ended_well = execution.status is ExecutionStatus.SUCCEEDED
    if not execution.status.is_final or (ended_well and not execution.is_late(at)):
        return None
    subject = execution_subject(execution.id)
    what = LATE if ended_well else execution.status.value
    canceller = execution.cancel_requested_by
    return Event(
        id=f"{subject}:{what}",
        subject=subject,
        at=at,
        what=what,
        reason=execution.reason.value if execution.reason else None,
        actor=canceller or PLATFORM,
        detail={"workflow_id": execution.workflow_id, "workflow": execution.workflow.name},
    )


def workflow_paused(
    workflow_id: WorkflowId, execution_id: ExecutionId, at: datetime, note: str
) -> Event:
    """Return the event of a workflow that failed too often in a row, the last time in this one."""
    subject = workflow_subject(workflow_id)
    return Event(
        id=f"{subject}:{execution_id}:paused",
        subject=subject,
        at=at,
        what="paused",
        reason=FAILURES,
        detail={"execution_id": execution_id, "note": note},
    )
