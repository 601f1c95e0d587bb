"""What requests about workflows say; the domain reads a workflow itself, for files are the same."""

from typing import Any

from marshmallow import INCLUDE, Schema, fields, post_load

from api.app_state import app_state
from api.http.fields import RequestSchema, WholeNumber
from api.module_requests import PAGE_MAX
from api.workflow_listing import Page
from shared.domain.ids import WorkflowId
from shared.domain.workflow import Misfire, Overlap, ShiftUnit
from shared.domain.workflow_file import NUMBER_MAX, BadWorkflow, WorkflowDraft, read_workflow
from shared.errors import InvalidData


def _word(kind: str, description: str = "", **metadata: Any) -> fields.Field[Any]:
    return fields.Raw(
        allow_none=True, metadata={"type": kind, "description": description, **metadata}
    )


class WorkflowBody(RequestSchema):
    """A workflow about itself."""

    class Meta:
        """Leave words that are not known to the domain, which names the one that may be meant."""

        unknown = INCLUDE

    workflow_id = _word("integer", "The next free number if it is not given.")
    name = _word("string", maxLength=100)
    description = _word("string", maxLength=500)
    enable = _word("boolean", "True if it is not given.")
    execute_cron_list = _word(
        "array", "Cron lines of 5 fields, or @daily and its like.", items={"type": "string"}
    )
    timezone = _word("string", "An IANA name; Asia/Shanghai if it is not given.")
    execute_shift_time = _word("integer", "Due so much later than the cron lines say.")
    execute_shift_unit = _word("string", enum=list(ShiftUnit))
    overlap = _word("string", "While the firing before still runs.", enum=list(Overlap))
    misfire = _word("string", "After a time without a worker.", enum=list(Misfire))
    timeout_seconds = _word(
        "number", "For a step's result; EXECUTION_TIMEOUT_SECONDS if it is not given."
    )
    start_timeout_seconds = _word("number", "For a step's acknowledgement.")
    retries = _word("integer", "Of what was lost or timed out; 3 if it is not given.")
    expected_within_seconds = _word("number", "Later than this is late.")
    pause_after_failures = _word("integer", "In a row; 0 is never.")
    steps = _word(
        "array",
        "Objects with name, module or missionKind, fallback, args, after.",
        items={"type": "object"},
    )
    execute_modules = _word(
        "array",
        "What earlier clients write: hashes, or objects with module_hash or name, and args.",
    )

    @post_load
    def make(self, words: dict[str, Any], **_: Any) -> WorkflowDraft:
        """Read the words as a workflow; every problem becomes a part of one sentence."""
        try:
            return read_workflow(words, app_state().execution_timeout_seconds)
        except BadWorkflow as error:
            raise InvalidData(str(error)) from None


class WorkflowsQuery(RequestSchema):
    """The page of a list of workflows."""

    limit = WholeNumber(1, PAGE_MAX, metadata={"description": "All of them without it."})
    after = WholeNumber(
        0,
        NUMBER_MAX,
        metadata={"description": "The workflow_id of the last item of the page before."},
    )

    @post_load
    def make(self, words: dict[str, Any], **_: Any) -> Page:
        """Make a value of the words."""
        return Page(**words)


class WorkflowReferenceBody(RequestSchema):
    """Which workflow is meant."""

    workflow_id = WholeNumber(1, NUMBER_MAX, required=True)

    @post_load
    def make(self, words: dict[str, Any], **_: Any) -> WorkflowId:
        """Make a number of the words."""
        return WorkflowId(words["workflow_id"])


class CreatedWorkflow(Schema):
    """The workflow as it was created."""

    id = fields.String()
    workflow_id = fields.Integer()
    name = fields.String()
    execute_cron_list = fields.List(fields.String(), metadata={"description": "Expanded."})
    next_due_at = fields.DateTime(allow_none=True)


class StartedWorkflow(Schema):
    """A workflow that runs now."""

    workflow_id = fields.Integer()
    workflow_name = fields.String()
    message = fields.String()
    execution_id = fields.String()
    status = fields.String()


class WorkflowAnswer(Schema):
    """A workflow."""

    id = fields.String()
    workflow_id = fields.Integer()
    name = fields.String()
    description = fields.String()
    enable = fields.Boolean()
    execute_cron_list = fields.List(fields.String())
    timezone = fields.String()
    execute_shift_time = fields.Integer()
    execute_shift_unit = fields.String()
    overlap = fields.String()
    misfire = fields.String()
    timeout_seconds = fields.Float()
    start_timeout_seconds = fields.Float(allow_none=True)
    retries = fields.Integer()
    expected_within_seconds = fields.Float(allow_none=True)
    pause_after_failures = fields.Integer()
    steps = fields.List(fields.Raw())
    execute_modules = fields.List(fields.Raw())
    state = fields.String(metadata={"description": "active, paused or disabled"})
    pause = fields.Raw(allow_none=True)
    next_due_at = fields.DateTime(allow_none=True)
    failures_in_a_row = fields.Integer()
    version = fields.Integer(metadata={"description": "Rises with every edit."})
    created_at = fields.DateTime()
    updated_at = fields.DateTime()


class ShownWorkflow(WorkflowAnswer):
    """A workflow, and how punctual it was."""

    punctuality = fields.Raw(metadata={"description": "Figures of the last 24 hours and 7 days."})


class JobAnswer(Schema):
    """A workflow as a job of the scheduler, as earlier clients read it."""

    job_id = fields.String()
    name = fields.String()
    func = fields.String()
    next_run_time = fields.String(allow_none=True)
    trigger = fields.String()
    max_instances = fields.Integer()
    misfire_grace_time = fields.Integer()
    workflow = fields.Raw()


class ReloadedAnswer(Schema):
    """What fires."""

    removed_count = fields.Integer()
    current_count = fields.Integer()
    enabled_workflows = fields.List(fields.Raw())
    message = fields.String()
