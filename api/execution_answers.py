"""What the answers about executions hold: documentation for /openapi.json only."""

from marshmallow import Schema, fields, validate

from shared.domain.execution import ExecutionStatus, MissReason, StepStatus, Trigger
from shared.domain.message import EndReason
from shared.domain.punctuality import Punctuality

_END = [reason.value for reason in EndReason]
_REASON = validate.OneOf([*(reason.value for reason in MissReason), *_END])


class EvidenceAnswer(Schema):
    """One recorded fact."""

    at = fields.DateTime()
    subject = fields.String()
    what = fields.String()
    reason = fields.String(metadata={"description": "Empty where none was recorded."})


class WhyAnswer(Schema):
    """Why it went as it did."""

    sentence = fields.String()
    timezone = fields.String(metadata={"description": "Of the times in the sentence."})
    evidence = fields.List(fields.Nested(EvidenceAnswer))


class TryAnswer(Schema):
    """One message of a step."""

    message_id = fields.String()
    message = fields.String(metadata={"description": "Where to read the message."})
    module_hash = fields.String()
    module_name = fields.String(allow_none=True)
    chosen_because = fields.String()
    at = fields.DateTime()
    ended_at = fields.DateTime(allow_none=True)
    reason = fields.String(allow_none=True, validate=validate.OneOf(_END))
    error = fields.String(allow_none=True)


class StepAnswer(Schema):
    """What became of a step so far."""

    name = fields.String()
    status = fields.String(validate=validate.OneOf([status.value for status in StepStatus]))
    reason = fields.String(allow_none=True, validate=validate.OneOf(_END))
    error = fields.String(allow_none=True)
    after = fields.List(fields.String())
    mission_kind = fields.String(allow_none=True, data_key="missionKind")
    module_hash = fields.String(
        allow_none=True, metadata={"description": "The module that was chosen last."}
    )
    module_name = fields.String(allow_none=True)
    chosen_because = fields.String(allow_none=True)
    started_at = fields.DateTime(allow_none=True)
    ended_at = fields.DateTime(allow_none=True)
    duration_seconds = fields.Float(allow_none=True)
    next_try_at = fields.DateTime(allow_none=True)
    result = fields.String(allow_none=True, metadata={"description": "Where to read the result."})
    tries = fields.List(fields.Nested(TryAnswer))


class ExecutionAnswer(Schema):
    """One firing of a workflow, and what became of its steps."""

    execution_id = fields.String()
    workflow_id = fields.Integer()
    workflow_name = fields.String()
    workflow_version = fields.Integer(metadata={"description": "The version that it began with."})
    timezone = fields.String()
    status = fields.String(validate=validate.OneOf([status.value for status in ExecutionStatus]))
    reason = fields.String(allow_none=True, validate=_REASON)
    detail = fields.Dict(keys=fields.String())
    trigger = fields.String(validate=validate.OneOf([trigger.value for trigger in Trigger]))
    actor = fields.String()
    retry_of = fields.String(allow_none=True)
    due_at = fields.DateTime()
    created_at = fields.DateTime()
    started_at = fields.DateTime(allow_none=True)
    ended_at = fields.DateTime(allow_none=True)
    duration_seconds = fields.Float(allow_none=True)
    expected_by = fields.DateTime(allow_none=True)
    punctuality = fields.String(
        allow_none=True, validate=validate.OneOf([punctuality.value for punctuality in Punctuality])
    )
    cancel_requested_by = fields.String(allow_none=True)
    steps = fields.List(fields.Nested(StepAnswer))


class ExplainedExecution(ExecutionAnswer):
    """An execution, and why it went as it did."""

    why = fields.Nested(WhyAnswer)
