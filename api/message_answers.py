"""What the answers about messages and results hold: documentation for /openapi.json only."""

from enum import StrEnum

from marshmallow import fields

from api.http.answer_fields import (
    AnswerSchema,
    Word,
    anything,
    flag,
    moment,
    number,
    text,
    texts,
    whole,
)
from api.module_answers import HASH
from shared.domain.message import EndReason, MessageStatus
from shared.domain.result import ResultStatus


class Delivery(StrEnum):
    """Whether a message is on its way."""

    PUSHED = "pushed"
    QUEUED = "queued"


class SentAnswer(AnswerSchema):
    """The message that was accepted."""

    message = anything({"hours": 72}, "As it was sent.")
    module_id = whole(1, allow_none=True)
    module_name = text("load-72h", allow_none=True)
    module_hash = text(HASH)
    message_id = text("order-17")
    status = Word(MessageStatus, example=MessageStatus.QUEUED)
    delivery = Word(
        Delivery,
        example=Delivery.PUSHED,
        about="pushed: the module is online, and gets it within milliseconds, or as soon as it has "
        "room (GET /message/<message_id> says which); queued: it waits until the module connects. "
        "Of a duplicate: whether it has left the queue.",
    )
    duplicate = flag(False, "This id was sent before.")
    useful_until = moment("2026-11-21T12:00:00Z")
    chosen_because = text(None, "Why this module of the kind.")


class ProgressAnswer(AnswerSchema):
    """How far a module says that it got."""

    percent = number(40, allow_none=True)
    note = text("fitted")
    at = moment()


class MessageAnswer(AnswerSchema):
    """A message and its life so far."""

    message_id = text("order-17")
    module_id = whole(1, "null: it is deleted.", allow_none=True)
    module_name = text("load-72h", allow_none=True)
    module_hash = text(HASH)
    mission_kind = text("load", data_key="missionKind")
    status = Word(MessageStatus, example=MessageStatus.SUCCEEDED)
    reason = Word(EndReason, example=None, allow_none=True)
    error = text(None)
    message = anything({"hours": 72}, "As it was sent.")
    sender = text("anonymous")
    priority = whole(100)
    attempt = whole(1, "How often it was pushed.")
    created_at = moment()
    useful_until = moment("2026-11-21T12:00:00Z")
    deadline_at = moment(None)
    timeout_seconds = number(120)
    sent_at = moment(allow_none=True)
    acked_at = moment(allow_none=True)
    ended_at = moment(allow_none=True)
    progress = fields.Nested(ProgressAnswer, allow_none=True)
    cancel_requested_at = moment(None)
    cancel_requested_by = text(None)
    node = text(None)
    workflow_id = whole(None)
    execution_id = text(None)
    step = text(None)
    retry_of = text(None)
    chosen_because = text(None)
    fallback = texts([], "The hashes of those that are next.")


class LateAnswer(AnswerSchema):
    """A result that came after the first one."""

    at = moment()
    status = Word(ResultStatus, example=ResultStatus.SUCCESS)
    error = text(None)
    content = anything({"values": [1000.0, 1051.8]})


class ResultAnswer(AnswerSchema):
    """How a message ended."""

    message_id = text("order-17")
    module_id = whole(1, "null: it is deleted.", allow_none=True)
    module_name = text("load-72h", allow_none=True)
    module_hash = text(HASH)
    mission_kind = text("load", data_key="missionKind")
    status = Word(ResultStatus, example=ResultStatus.SUCCESS)
    reason = Word(EndReason, example=None, allow_none=True)
    error = text(None)
    content = anything({"values": [1000.0, 1051.8]}, "What the module said, byte for byte.")
    remark = text(None)
    is_by_module = flag(True, "False: the platform ended it.")
    at = moment()
    sent_at = moment(allow_none=True)
    attempt = whole(1)
    retry_after_seconds = number(None)
    workflow_id = whole(None)
    execution_id = text(None)
    step = text(None)
    late = fields.List(fields.Nested(LateAnswer))


class LatestAnswer(ResultAnswer):
    """A module's newest success."""

    age_seconds = whole(42, "Of the answer's moment; in one kept by its ETag, up to a minute ago.")
