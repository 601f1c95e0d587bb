"""A result: the one end of a message."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.actor import PLATFORM
from shared.domain.ids import ExecutionId, MessageId, ModuleHash, WorkflowId
from shared.domain.message import EndReason, Message, MessageStatus

LATE_KEPT = 3


class ResultStatus(StrEnum):
    """How a message ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    DEAD = "dead"
    TIMED_OUT = "timed_out"

    @property
    def message_status(self) -> MessageStatus:
        """Return what becomes of the message."""
        return _MESSAGE_STATUS.get(self) or MessageStatus(self.value)


_MESSAGE_STATUS = {
    ResultStatus.SUCCESS: MessageStatus.SUCCEEDED,
    ResultStatus.FAILURE: MessageStatus.FAILED,
}


@dataclass(frozen=True, kw_only=True)
class LateResult:
    """A result that came after the message had ended: kept, and it changes nothing."""

    at: datetime
    status: ResultStatus
    content: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a message ended; `content` is the module's result as JSON text, None if there is none.

    `is_by_module` tells a module's own words from the platform's. `remark` says what was changed to
    make JSON of what the module sent.
    """

    message_id: MessageId
    module_hash: ModuleHash
    at: datetime
    status: ResultStatus
    mission_kind: str = ""
    reason: EndReason | None = None
    content: str | None = None
    error: str | None = None
    remark: str | None = None
    is_by_module: bool = False
    attempt: int = 0
    sent_at: datetime | None = None
    retry_after_seconds: float | None = None
    workflow_id: WorkflowId | None = None
    execution_id: ExecutionId | None = None
    step: str | None = None
    late: tuple[LateResult, ...] = ()


def end_of_message(
    message: Message,
    status: ResultStatus,
    at: datetime,
    reason: EndReason,
    error: str | None = None,
) -> Result:
    """Return the result that the platform itself gives a message."""
    return Result(
        message_id=message.id,
        module_hash=message.module_hash,
        at=at,
        status=status,
        mission_kind=message.mission_kind,
        reason=reason,
        error=error,
        attempt=message.attempt,
        sent_at=message.sent_at,
        workflow_id=message.workflow_id,
        execution_id=message.execution_id,
        step=message.step,
    )


def end_of_cancelled(message: Message, at: datetime) -> Result:
    """Return the result of a message that is cancelled, and that its module did not give up."""
    by_platform = message.cancel_requested_by == PLATFORM
    reason = EndReason.EXECUTION_OVER if by_platform else EndReason.OPERATOR
    return end_of_message(message, ResultStatus.CANCELLED, at, reason)
