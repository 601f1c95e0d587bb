"""What requests about messages and results say, as marshmallow schemas: checked, and documented."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from api.http.fields import HashText, JsonText, Moment, RequestSchema, Text, WholeNumber
from api.module_reference import CALLED, ModuleReference
from api.module_requests import INT32_MAX, KIND_MAX_LENGTH, PAGE_MAX
from shared.domain.draft import (
    LONGEST_TIMEOUT_SECONDS,
    find_content_problem,
    find_id_problem,
)
from shared.domain.ids import MessageId
from shared.domain.message import (
    DEFAULT_PRIORITY,
    DEFAULT_TIMEOUT_SECONDS,
    MessageStatus,
)
from shared.domain.module import NAME_MAX_LENGTH

FALLBACKS_MAX = 20
PAGE_DEFAULT = 100
ID_MAX_LENGTH = 128
_TARGETS = ("module_id", "module_hash", "module", "missionKind")


@dataclass(frozen=True, kw_only=True)
class SendRequest:
    """What a sender wants: a message for a module, or for the best one of a kind."""

    content: str
    target: ModuleReference | None
    mission_kind: str
    fallback: tuple[ModuleReference, ...]
    message_id: MessageId | None
    useful_until: datetime | None
    timeout_seconds: int
    priority: int


class SendBody(RequestSchema):
    """A message, and which module gets it."""

    message = JsonText(
        "What the module gets: any JSON of at most 256 KiB and 64 levels, as it is written here. "
        "In a form it is a string, and arrives as that string.",
        example={"hours": 72},
        required=True,
    )
    module_id = WholeNumber(1, 2**53, metadata={"description": "One of these four is required."})
    module_hash = HashText()
    module = Text(
        NAME_MAX_LENGTH,
        is_normalised=True,
        may_be_empty=False,
        metadata={"description": CALLED, "example": "load-72h"},
    )
    mission_kind = Text(
        KIND_MAX_LENGTH,
        is_normalised=True,
        may_be_empty=False,
        data_key="missionKind",
        metadata={
            "description": "The online module of this kind with the highest priority and the "
            "least open work gets it."
        },
    )
    fallback = fields.List(
        Text(NAME_MAX_LENGTH, is_normalised=True, may_be_empty=False),
        validate=validate.Length(max=FALLBACKS_MAX, error=f"must not be more than {FALLBACKS_MAX}"),
        error_messages={"invalid": "must be a list of texts"},
        metadata={"description": "Modules that take over, in this order, from one that is away."},
    )
    message_id = Text(
        ID_MAX_LENGTH,
        metadata={
            "description": "The same id again is the same message, and is answered alike. "
            "The header Idempotency-Key means the same.",
            "example": "order-17",
        },
    )
    useful_until = Moment(
        metadata={"description": "When the message is given up if it was not pushed; 2 hours."}
    )
    timeout_seconds = WholeNumber(
        1, LONGEST_TIMEOUT_SECONDS, metadata={"description": "From the push to the result."}
    )
    priority = WholeNumber(0, INT32_MAX, metadata={"description": "Higher ones go first; 100."})

    @validates_schema
    def check(self, words: dict[str, Any], **_: Any) -> None:
        """Refuse words that name no module, or two; and what cannot be kept."""
        said = {"missionKind" if word == "mission_kind" else word for word in words}
        named = [target for target in _TARGETS if target in said]
        if not named:
            raise ValidationError("is required", "module_id")
        for other in named[1:]:
            raise ValidationError(f"must not be given beside {named[0]}", other)
        if "message" in words and (problem := find_content_problem(words["message"])):
            raise ValidationError(problem, "message")
        if "message_id" in words and (problem := find_id_problem(words["message_id"])):
            raise ValidationError(problem, "message_id")

    @post_load
    def make(self, words: dict[str, Any], **_: Any) -> SendRequest:
        """Make a value of the words."""
        target = {key: words[key] for key in ("module_id", "module_hash", "module") if key in words}
        return SendRequest(
            content=words["message"],
            target=ModuleReference(**target) if target else None,
            mission_kind=words.get("mission_kind", ""),
            fallback=tuple(ModuleReference(module=name) for name in words.get("fallback", ())),
            message_id=words.get("message_id"),
            useful_until=words.get("useful_until"),
            timeout_seconds=words.get("timeout_seconds", DEFAULT_TIMEOUT_SECONDS),
            priority=words.get("priority", DEFAULT_PRIORITY),
        )


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """Which part of a module's messages or results a caller wants."""

    statuses: tuple[MessageStatus, ...] = tuple(MessageStatus)
    since: datetime | None = None
    after: MessageId | None = None
    limit: int = PAGE_DEFAULT


class ResultsQuery(RequestSchema):
    """Which of a module's results."""

    since = Moment(metadata={"description": "Only what is as young as this."})
    limit = WholeNumber(1, PAGE_MAX, metadata={"description": f"{PAGE_DEFAULT} without it."})

    @post_load
    def make(self, words: dict[str, Any], **_: Any) -> PageRequest:
        """Make a value of the words."""
        if "status" in words:
            words["statuses"] = (MessageStatus(words.pop("status")),)
        return PageRequest(**words)


class MessagesQuery(ResultsQuery):
    """Which of a module's messages."""

    status = fields.String(
        validate=validate.OneOf(
            [status.value for status in MessageStatus], error="must be one of: {choices}"
        ),
        metadata={"description": "Only those with this status."},
    )
    after = Text(
        ID_MAX_LENGTH,
        metadata={"description": "The message_id of the last item of the page before."},
    )


@dataclass(frozen=True, kw_only=True)
class LatestRequest:
    """Whose newest successes a consumer wants."""

    mission_kind: str | None = None
    workflow: str | None = None
    module: str | None = None


class LatestQuery(RequestSchema):
    """Whose newest successes: a kind's, a workflow's, or one module's."""

    mission_kind = Text(
        KIND_MAX_LENGTH,
        is_normalised=True,
        may_be_empty=False,
        data_key="missionKind",
        metadata={"description": "Of all modules of this kind.", "example": "load"},
    )
    workflow = Text(
        NAME_MAX_LENGTH,
        is_normalised=True,
        may_be_empty=False,
        data_key="workflow_id",
        metadata={"description": "Only what this workflow asked; its name does, too."},
    )
    module = Text(
        NAME_MAX_LENGTH, is_normalised=True, may_be_empty=False, metadata={"description": CALLED}
    )

    @validates_schema
    def require_one(self, words: dict[str, Any], **_: Any) -> None:
        """Refuse a question about everything, or about two things."""
        if not words:
            raise ValidationError("is required, or workflow_id, or module", "missionKind")
        if "mission_kind" in words and "module" in words:
            raise ValidationError("must not be given beside missionKind", "module")

    @post_load
    def make(self, words: dict[str, Any], **_: Any) -> LatestRequest:
        """Make a value of the words."""
        return LatestRequest(**words)
