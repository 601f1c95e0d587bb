"""A workflow: a schedule, its steps, and its policies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from shared.domain.actor import Actor
from shared.domain.cron import next_due
from shared.domain.ids import ModuleHash, WorkflowId

DEFAULT_TIMEZONE = "Asia/Shanghai"
DEFAULT_TIMEOUT_SECONDS = 120.0
DEFAULT_RETRIES = 3


class Overlap(StrEnum):
    """What happens when a firing is due while the one before still runs."""

    SKIP = "skip"
    QUEUE = "queue"
    ALLOW = "allow"


class Misfire(StrEnum):
    """What happens to due times that passed while no worker was running."""

    LATEST_ONLY = "latest_only"
    SKIP = "skip"


class ShiftUnit(StrEnum):
    """The unit of a shift, as pandas writes it."""

    SECOND = "s"
    MINUTE = "min"
    HOUR = "h"
    DAY = "D"


SHIFT = {
    ShiftUnit.SECOND: timedelta(seconds=1),
    ShiftUnit.MINUTE: timedelta(minutes=1),
    ShiftUnit.HOUR: timedelta(hours=1),
    ShiftUnit.DAY: timedelta(days=1),
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One module's part.

    Either `module_hash` is set, or `mission_kind`: then a module of that kind is chosen when the
    step starts. `fallback` names who is next when the module fails or is away, in this order.
    """

    name: str
    module_hash: ModuleHash | None = None
    mission_kind: str | None = None
    fallback: tuple[ModuleHash, ...] = ()
    args: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Why a workflow does not fire; `reason` is `operator`, or `failures` in a row."""

    at: datetime
    actor: Actor
    reason: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A schedule; `version` rises with every edit, and an execution keeps the one it began with.

    `start_timeout_seconds` None means 30 s for an online module, else the message's life.
    `pause_after_failures` 0 means never.
    """

    workflow_id: WorkflowId
    name: str
    steps: tuple[Step, ...]
    crons: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    description: str = ""
    enabled: bool = True
    timezone: str = DEFAULT_TIMEZONE
    shift_time: int = 0
    shift_unit: ShiftUnit = ShiftUnit.SECOND
    overlap: Overlap = Overlap.SKIP
    misfire: Misfire = Misfire.LATEST_ONLY
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    start_timeout_seconds: float | None = None
    retries: int = DEFAULT_RETRIES
    expected_within_seconds: float | None = None
    pause_after_failures: int = 0
    version: int = 1
    failures_in_a_row: int = 0
    next_due_at: datetime | None = None  # None while disabled or paused
    pause: Pause | None = None

    @property
    def is_scheduled(self) -> bool:
        """Return whether it fires by itself."""
        return self.enabled and self.pause is None

    def due_after(self, moment: datetime) -> datetime | None:
        """Return when it is due next, later than a moment; None while it does not fire."""
        if not self.is_scheduled:
            return None
        return next_due(self.crons, self.timezone, self.shift, moment)

    @property
    def shift(self) -> timedelta:
        """Return how much later than its cron lines it is due; negative is earlier."""
        return self.shift_time * SHIFT[self.shift_unit]
