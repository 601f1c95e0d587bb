"""What the answers about workflows hold: documentation for /openapi.json only."""

from marshmallow import fields

from api.http.answer_fields import (
    AnswerSchema,
    Word,
    flag,
    moment,
    number,
    text,
    texts,
    things,
    whole,
)
from api.module_answers import Figures, record_of
from shared.domain.execution import ExecutionStatus
from shared.domain.workflow import Misfire, Overlap, ShiftUnit


class CreatedWorkflow(AnswerSchema):
    """The workflow as it was created."""

    id = text("1", "The workflow_id as text.")
    workflow_id = whole(1)
    name = text("daily")
    execute_cron_list = texts(["25 9 * * *"], "Expanded.")
    next_due_at = moment(allow_none=True)


class StartedWorkflow(AnswerSchema):
    """A workflow that runs now."""

    workflow_id = whole(1)
    workflow_name = text("daily")
    message = text("The workflow was started; its execution is 1-20261121T191449-c191f3.")
    execution_id = text("1-20261121T191449-c191f3")
    status = Word(ExecutionStatus, example="running")


class WorkflowAnswer(AnswerSchema):
    """A workflow."""

    id = text("1", "The workflow_id as text.")
    workflow_id = whole(1)
    name = text("daily")
    description = text("Tomorrow's load")
    enable = flag(True)
    execute_cron_list = texts(["25 9 * * *"])
    timezone = text("Asia/Shanghai")
    execute_shift_time = whole(0)
    execute_shift_unit = Word(ShiftUnit, example="s")
    overlap = Word(Overlap, example="skip")
    misfire = Word(Misfire, example="latest_only")
    timeout_seconds = number(120)
    start_timeout_seconds = number(None)
    retries = whole(3)
    expected_within_seconds = number(600, allow_none=True)
    pause_after_failures = whole(0)
    steps = fields.List(
        things({}), metadata={"example": [{"name": "load", "module_name": "load-72h"}]}
    )
    execute_modules = fields.List(things({}), metadata={"example": [{"name": "load-72h"}]})
    state = text("active", "active, paused or disabled")
    pause = things(None, "Who paused it, when and why.")
    next_due_at = moment(allow_none=True)
    failures_in_a_row = whole(0)
    version = whole(1, "Rises with every edit.")
    created_at = moment()
    updated_at = moment()


class WorkflowFigures(Figures):
    """How a workflow did in a time."""

    on_time = whole(41)
    late = whole(0)
    missing = whole(1)


class ShownWorkflow(WorkflowAnswer):
    """A workflow, and how punctual it was."""

    punctuality = fields.Nested(
        record_of(WorkflowFigures), metadata={"description": "Of the last 24 hours and 7 days."}
    )


class WorkflowOfJob(AnswerSchema):
    """The workflow that a job runs."""

    id = text("1")
    workflow_id = whole(1)
    name = text("daily")
    enable = flag(True)
    description = text("Tomorrow's load")


class JobAnswer(AnswerSchema):
    """A workflow as a job of the scheduler, as earlier clients read it."""

    job_id = text("workflow_1")
    name = text("daily")
    func = text("execute_workflow")
    next_run_time = text("2026-11-22T09:25:00+08:00", "Local time.", allow_none=True)
    trigger = text("cron[25 9 * * *]")
    max_instances = whole(1)
    misfire_grace_time = whole(600)
    workflow = fields.Nested(WorkflowOfJob)


class NamedWorkflow(AnswerSchema):
    """A workflow by number and name."""

    workflow_id = whole(1)
    name = text("daily")


class ReloadedAnswer(AnswerSchema):
    """What fires."""

    removed_count = whole(0)
    current_count = whole(1)
    enabled_workflows = fields.List(fields.Nested(NamedWorkflow))
    message = text("Nothing needs to be reloaded: a change counts as soon as it is saved.")
