"""What the answers about executions hold: documentation for /openapi.json only."""

from marshmallow import fields

from api.http.answer_fields import AnswerSchema, Word, moment, number, text, texts, things, whole
from api.module_answers import HASH
from shared.domain.execution import ExecutionStatus, MissReason, StepStatus, Trigger
from shared.domain.message import EndReason
from shared.domain.punctuality import Punctuality

ID = "1-20261121T191449-c191f3"


class EvidenceAnswer(AnswerSchema):
    """One recorded fact."""

    at = moment()
    subject = text("worker vm")
    what = text("offline")
    reason = text("", "Empty where none was recorded.")


class WhyAnswer(AnswerSchema):
    """Why it went as it did."""

    sentence = text("missed: no worker was running between 02:58 and 03:00:08")
    timezone = text("Asia/Shanghai", "Of the times in the sentence.")
    evidence = fields.List(fields.Nested(EvidenceAnswer))


class TryAnswer(AnswerSchema):
    """One message of a step."""

    message_id = text(f"{ID}.1.1")
    message = text(f"/message/{ID}.1.1", "Where to read the message.")
    module_hash = text(HASH)
    module_name = text("load-72h", allow_none=True)
    chosen_because = text("the workflow names it")
    at = moment()
    ended_at = moment(allow_none=True)
    reason = Word(EndReason, example=None, allow_none=True)
    error = text(None)


class StepAnswer(AnswerSchema):
    """What became of a step so far."""

    name = text("load")
    status = Word(StepStatus, example=StepStatus.SUCCEEDED)
    reason = Word(EndReason, example=None, allow_none=True)
    error = text(None)
    after = texts(["weather"])
    mission_kind = text(None, data_key="missionKind")
    module_hash = text(HASH, "The module that was chosen last.", allow_none=True)
    module_name = text("load-72h", allow_none=True)
    chosen_because = text("the workflow names it", allow_none=True)
    started_at = moment(allow_none=True)
    ended_at = moment(allow_none=True)
    duration_seconds = number(0.65, allow_none=True)
    next_try_at = moment(None)
    result = text(f"/result/{ID}.1.1", "Where to read the result.", allow_none=True)
    tries = fields.List(fields.Nested(TryAnswer))


class ExecutionAnswer(AnswerSchema):
    """One firing of a workflow, and what became of its steps."""

    execution_id = text(ID)
    workflow_id = whole(1)
    workflow_name = text("daily")
    workflow_version = whole(1, "The version that it began with.")
    timezone = text("Asia/Shanghai")
    status = Word(ExecutionStatus, example=ExecutionStatus.SUCCEEDED)
    reason = Word(MissReason, EndReason, example=None, allow_none=True)
    detail = things({})
    trigger = Word(Trigger, example=Trigger.SCHEDULE)
    actor = text("platform")
    retry_of = text(None)
    due_at = moment()
    created_at = moment()
    started_at = moment(allow_none=True)
    ended_at = moment(allow_none=True)
    duration_seconds = number(0.65, allow_none=True)
    expected_by = moment(None)
    punctuality = Word(Punctuality, example=Punctuality.ON_TIME, allow_none=True)
    cancel_requested_by = text(None)
    steps = fields.List(fields.Nested(StepAnswer))


class ExplainedExecution(ExecutionAnswer):
    """An execution, and why it went as it did."""

    why = fields.Nested(WhyAnswer)
