"""A delivery: one try to hand a message to its module."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.ids import MessageId, ModuleHash
from shared.domain.message import Message, MessageStatus


@dataclass(frozen=True, kw_only=True)
class Push:
    """A message that is about to be pushed; one that was sent before is guarded by its attempt."""

    message: Message
    is_again: bool = False

    @property
    def guard(self) -> tuple[MessageStatus, int | None]:
        """Return the status, and the attempt, that the message must still have."""
        if self.is_again:
            return MessageStatus.SENT, self.message.attempt
        return MessageStatus.QUEUED, None

    def deadline(self, now: datetime) -> datetime:
        """Return when the message is given up that is pushed now."""
        return now + timedelta(seconds=self.message.timeout_seconds)


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """A message that an attempt was recorded of: its frame may go out."""

    id: MessageId
    module_hash: ModuleHash
    attempt: int
    content: str
    sent_at: datetime


@dataclass(frozen=True, kw_only=True)
class Tried:
    """An attempt that is to be taken back, or was acknowledged: what a session knows of it.

    `timeout_seconds` is given for what has no deadline any more.
    """

    id: MessageId
    attempt: int
    timeout_seconds: float | None = None
