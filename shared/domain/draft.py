"""A draft: the message that a sender wants, before it is known which module gets it."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.actor import Actor
from shared.domain.ids import MessageId, ModuleHash
from shared.domain.json_document import find_written_problem
from shared.domain.message import (
    CONTENT_MAX_BYTES,
    DEFAULT_LIFE,
    DEFAULT_PRIORITY,
    DEFAULT_TIMEOUT_SECONDS,
    Message,
    content_size,
)
from shared.domain.module import Module
from shared.domain.routing import Choice

LONGEST_LIFE = timedelta(days=30)
LONGEST_TIMEOUT_SECONDS = 7 * 86400
ID_KEPT = 120

_is_id = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+=~-]{0,127}").fullmatch
_is_of_retry = re.compile(r".*~[0-9]+").fullmatch
_is_of_execution = re.compile(r"[0-9]+-[0-9]{8}T").match


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Work for one module, or, without one, for the best one of a kind.

    `content` is JSON text. The same `message_id` again is the same message. `fallback` names
    modules that take over from one that is away.
    """

    content: str
    sender: Actor
    module_hash: ModuleHash | None = None
    mission_kind: str = ""
    fallback: tuple[ModuleHash, ...] = ()
    message_id: MessageId | None = None
    useful_until: datetime | None = None
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    priority: int = DEFAULT_PRIORITY
    retry_of: MessageId | None = None

    def is_of(self, message: Message) -> bool:
        """Return whether a message that exists under this draft's id is what it asks for."""
        if self.content != message.content:
            return False
        if self.module_hash is None and self.mission_kind == message.mission_kind:
            return True
        return message.module_hash in (self.module_hash, *self.fallback)

    def make(self, message_id: MessageId, module: Module, choice: Choice, now: datetime) -> Message:
        """Make the message for the module that was chosen."""
        useful_until = self.useful_until or now + DEFAULT_LIFE
        return Message(
            id=message_id,
            module_hash=module.module_hash,
            content=self.content,
            created_at=now,
            useful_until=useful_until,
            deadline_at=useful_until,
            sender=self.sender,
            mission_kind=module.mission_kind,
            priority=self.priority,
            timeout_seconds=self.timeout_seconds,
            node=module.session.node if module.session else None,
            retry_of=self.retry_of,
            chosen_because=choice.because or None,
            fallback=choice.fallback,
        )


def next_id(message_id: MessageId) -> MessageId:
    """Return the id of the one message that repeats another: x~2 for x, x~3 for x~2."""
    root, mark, number = message_id.rpartition("~")
    if mark and number.isdecimal():
        return MessageId(f"{root[:ID_KEPT]}~{int(number) + 1}")
    return MessageId(f"{message_id[:ID_KEPT]}~2")


def find_id_problem(text: str) -> str | None:
    """Return why a sender may not give a message this id, or None."""
    if not _is_id(text):
        return (
            "must be 1 to 128 letters, digits or any of . _ : @ + = ~ - "
            "and begin with a letter or a digit"
        )
    if _is_of_execution(text):
        return "looks like that of a workflow's execution, which the platform gives"
    if _is_of_retry(text):
        return "ends with ~ and a number: such ids are given to what is sent again"
    return None


def find_life_problem(useful_until: datetime, now: datetime) -> str | None:
    """Return why a message may not be useful until then, or None."""
    if useful_until <= now:
        return "lies in the past"
    if useful_until > now + LONGEST_LIFE:
        return f"must not be more than {LONGEST_LIFE.days} days ahead"
    return None


def find_content_problem(content: str) -> str | None:
    """Return why a message may not say this, or None."""
    if content_size(content) > CONTENT_MAX_BYTES:
        return f"is larger than {CONTENT_MAX_BYTES // 1024} KiB as JSON"
    return find_written_problem(content)
