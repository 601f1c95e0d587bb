"""What the answers about messages and results hold: documentation for /openapi.json only."""

from marshmallow import Schema, fields, validate

from shared.domain.message import EndReason, MessageStatus
from shared.domain.result import ResultStatus

_STATUS = validate.OneOf([status.value for status in MessageStatus])
_REASON = validate.OneOf([reason.value for reason in EndReason])


class SentAnswer(Schema):
    """The message that was accepted."""

    message = fields.Raw(metadata={"description": "As it was sent."})
    module_id = fields.Integer(allow_none=True)
    module_name = fields.String(allow_none=True)
    module_hash = fields.String()
    message_id = fields.String()
    status = fields.String(validate=_STATUS)
    delivery = fields.String(
        validate=validate.OneOf(["pushed", "queued"]),
        metadata={
            "description": "pushed: the module is online, and gets it within milliseconds, or as "
            "soon as it has room (GET /message/<message_id> says which); queued: it waits until "
            "the module connects. Of a duplicate: whether it has left the queue."
        },
    )
    duplicate = fields.Boolean(metadata={"description": "This id was sent before."})
    useful_until = fields.DateTime()
    chosen_because = fields.String(allow_none=True)


class ProgressAnswer(Schema):
    """How far a module says that it got."""

    percent = fields.Float(allow_none=True)
    note = fields.String()
    at = fields.DateTime()


class MessageAnswer(Schema):
    """A message and its life so far."""

    message_id = fields.String()
    module_id = fields.Integer(allow_none=True, metadata={"description": "null: it is deleted."})
    module_name = fields.String(allow_none=True)
    module_hash = fields.String()
    mission_kind = fields.String(data_key="missionKind")
    status = fields.String(validate=_STATUS)
    reason = fields.String(allow_none=True, validate=_REASON)
    error = fields.String(allow_none=True)
    message = fields.Raw(metadata={"description": "As it was sent."})
    sender = fields.String()
    priority = fields.Integer()
    attempt = fields.Integer(metadata={"description": "How often it was pushed."})
    created_at = fields.DateTime()
    useful_until = fields.DateTime()
    deadline_at = fields.DateTime(allow_none=True)
    timeout_seconds = fields.Float()
    sent_at = fields.DateTime(allow_none=True)
    acked_at = fields.DateTime(allow_none=True)
    ended_at = fields.DateTime(allow_none=True)
    progress = fields.Nested(ProgressAnswer, allow_none=True)
    cancel_requested_at = fields.DateTime(allow_none=True)
    cancel_requested_by = fields.String(allow_none=True)
    node = fields.String(allow_none=True)
    workflow_id = fields.Integer(allow_none=True)
    execution_id = fields.String(allow_none=True)
    step = fields.String(allow_none=True)
    retry_of = fields.String(allow_none=True)
    chosen_because = fields.String(allow_none=True)
    fallback = fields.List(fields.String())


class LateAnswer(Schema):
    """A result that came after the first one."""

    at = fields.DateTime()
    status = fields.String(validate=validate.OneOf([status.value for status in ResultStatus]))
    error = fields.String(allow_none=True)
    content = fields.Raw(allow_none=True)


class ResultAnswer(Schema):
    """How a message ended."""

    message_id = fields.String()
    module_id = fields.Integer(allow_none=True, metadata={"description": "null: it is deleted."})
    module_name = fields.String(allow_none=True)
    module_hash = fields.String()
    mission_kind = fields.String(data_key="missionKind")
    status = fields.String(validate=validate.OneOf([status.value for status in ResultStatus]))
    reason = fields.String(allow_none=True, validate=_REASON)
    error = fields.String(allow_none=True)
    content = fields.Raw(
        allow_none=True, metadata={"description": "What the module said, byte for byte."}
    )
    remark = fields.String(allow_none=True)
    is_by_module = fields.Boolean(metadata={"description": "False: the platform ended it."})
    at = fields.DateTime()
    sent_at = fields.DateTime(allow_none=True)
    attempt = fields.Integer()
    retry_after_seconds = fields.Float(allow_none=True)
    workflow_id = fields.Integer(allow_none=True)
    execution_id = fields.String(allow_none=True)
    step = fields.String(allow_none=True)
    late = fields.List(fields.Nested(LateAnswer))


class LatestAnswer(ResultAnswer):
    """A module's newest success."""

    age_seconds = fields.Integer()
