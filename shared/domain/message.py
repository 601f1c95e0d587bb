"""A message: one piece of work for one module, and its life up to its result."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.actor import Actor
from shared.domain.ids import ExecutionId, MessageId, ModuleHash, NodeId, WorkflowId

CONTENT_MAX_BYTES = 256 * 1024
QUEUE_MAX = 1000
DEFAULT_LIFE = timedelta(hours=2)
DEFAULT_TIMEOUT_SECONDS = 7200.0
DEFAULT_PRIORITY = 100
ATTEMPTS_ALLOWED = 3  # in one session
# In all: a message over which its module dies every time would be sent to it for its whole life.
ATTEMPTS_IN_ALL = 10
ACK_SECONDS = 10.0
# A module that is asked to give work up has so long to say that it did. Then its node ends the
# work, and the worker soon afterwards, should the node be gone.
CANCEL_SECONDS = 10.0
CANCEL_LIFE = timedelta(seconds=15)


class MessageStatus(StrEnum):
    """Where a message is in its life."""

    QUEUED = "queued"
    SENT = "sent"
    ACKED = "acked"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    DEAD = "dead"
    TIMED_OUT = "timed_out"

    @property
    def is_final(self) -> bool:
        """Return whether nothing can change any more."""
        return self not in OPEN


PUSHED = (MessageStatus.SENT, MessageStatus.ACKED)
OPEN = (MessageStatus.QUEUED, *PUSHED)


class EndReason(StrEnum):
    """Why a message, or a step, did not succeed."""

    MODULE_FAILURE = "module_failure"  # the module said so
    MODULE_CANCELLED = "module_cancelled"  # the module gave it up, as it was asked to
    LIFE_OVER = "life_over"  # nothing pushed it while it was useful
    NO_ACK = "no_ack"  # pushed as often as allowed, and never acknowledged
    NOT_STARTED = "not_started"  # no acknowledgement within the time to start
    NO_RESULT = "no_result"  # no result within the time to finish
    OPERATOR = "operator"  # an operator cancelled it
    EXECUTION_OVER = "execution_over"  # its execution ended, or was cancelled
    UNKNOWN_MODULE = "unknown_module"  # the module was deleted
    MODULE_DISABLED = "module_disabled"
    NO_MODULE = "no_module"  # none of the kind that was asked for is online
    INPUTS_TOO_LARGE = "inputs_too_large"  # the results that a step gets do not fit into a message
    UPSTREAM_FAILED = "upstream_failed"  # a step that it comes after did not succeed


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a module says that it got."""

    percent: float | None
    note: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Told:
    """A progress, the message that it is about, and the module that told it."""

    message_id: MessageId
    module_hash: ModuleHash
    progress: Progress


@dataclass(frozen=True, kw_only=True)
class Message:
    """One piece of work for one module.

    `content` is JSON text, as it was given: a string stays a string. `node` is the node that holds
    the module's session: set by the sender as a hint where to look, and then by the node itself.
    `push` names the batch that marked the last attempt. `deadline_at` is when the message is given
    up: the end of its usefulness while it is queued, its time-out from the push on; None once it
    was pushed to a client that neither acknowledges nor owes a result. `pushed_at` is noted for
    clients that do not acknowledge: their frame is written to the socket, and not sent again; `node`
    is None from then on.
    """

    id: MessageId
    module_hash: ModuleHash
    content: str
    created_at: datetime
    useful_until: datetime
    deadline_at: datetime | None
    sender: Actor
    status: MessageStatus = MessageStatus.QUEUED
    mission_kind: str = ""
    priority: int = DEFAULT_PRIORITY
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    start_timeout_seconds: float | None = None
    attempt: int = 0
    node: NodeId | None = None
    push: str | None = None
    sent_at: datetime | None = None
    pushed_at: datetime | None = None
    acked_at: datetime | None = None
    ended_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    cancel_requested_by: Actor | None = None
    progress: Progress | None = None
    workflow_id: WorkflowId | None = None
    execution_id: ExecutionId | None = None
    step: str | None = None
    retry_of: MessageId | None = None
    chosen_because: str | None = None  # how routing found the module
    fallback: tuple[ModuleHash, ...] = ()


def content_size(content: str) -> int:
    """Return the bytes that a message's content takes on the wire."""
    return len(content.encode())
