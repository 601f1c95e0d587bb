"""The words of events: everything that may happen, and every reason for it."""

from enum import StrEnum

from shared.domain.closing import OfflineReason
from shared.domain.event import (
    CLOCK_DISTRUSTED,
    CLOCK_TRUSTED,
    DELETED,
    FAILURES,
    LATE,
    OPERATOR,
    TWO_PROGRAMS,
    WORKERS_AWAY,
)
from shared.domain.execution import ExecutionStatus, MissReason
from shared.domain.message import EndReason
from shared.domain.presence import State


class Doubt(StrEnum):
    """Why a worker does not trust the wall clock."""

    JUMPED = "clock_jumped"
    DIFFERS = "clock_differs_from_database"


MODULE_WORDS = (
    "registered",
    "changed",
    State.ONLINE.value,
    State.OFFLINE.value,
    "takeover_refused",
    "disabled",
    "enabled",
    DELETED,
)
WORKFLOW_WORDS = ("created", "edited", "paused", "resumed", DELETED)
EXECUTION_WORDS = (
    LATE,
    *(s.value for s in ExecutionStatus if s.is_final and s is not ExecutionStatus.SUCCEEDED),
)
MESSAGE_WORDS = ("cancelled", "cancel_requested", "retried", "said")
PROCESS_WORDS = ("enrolled", "lost", "retired", WORKERS_AWAY, CLOCK_DISTRUSTED, CLOCK_TRUSTED)
WORDS = tuple(
    dict.fromkeys(
        (*MODULE_WORDS, *WORKFLOW_WORDS, *EXECUTION_WORDS, *MESSAGE_WORDS, *PROCESS_WORDS)
    )
)

# Of a module, not of an event: nothing happened yet, or the event itself says it.
_NO_EVENTS_REASON = {OfflineReason.NEVER_CONNECTED.value, OfflineReason.DELETED.value}
REASONS = tuple(
    sorted(
        {OPERATOR, FAILURES, TWO_PROGRAMS}.union(
            reason.value
            for reasons in (OfflineReason, EndReason, MissReason, Doubt)
            for reason in reasons
        )
        - _NO_EVENTS_REASON
    )
)
