"""What requests about workflows say; the domain reads a workflow itself, for files are the same."""

from typing import Any

from marshmallow import INCLUDE, fields, post_load

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
    name = _word("string", "For people; several may have the same.", maxLength=100, example="daily")
    description = _word("string", "For people.", maxLength=500)
    enable = _word("boolean", "True if it is not given.")
    execute_cron_list = _word(
        "array",
        "Cron lines of 5 fields, or @daily and its like.",
        items={"type": "string"},
        example=["25 9 * * *"],
    )
    timezone = _word(
        "string", "An IANA name; Asia/Shanghai if it is not given.", example="Asia/Shanghai"
    )
    execute_shift_time = _word("integer", "Due so much later than the cron lines say.")
    execute_shift_unit = _word("string", "Of the shift; s if not given.", enum=list(ShiftUnit))
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
        items={"type": "object", "additionalProperties": True},
        example=[{"name": "load", "module": "load-72h", "args": {"hours": 72}}],
    )
    execute_modules = _word(
        "array",
        "What earlier clients write: hashes, or objects with module_hash or name, and args.",
        items={},
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

    workflow_id = WholeNumber(
        1, NUMBER_MAX, required=True, metadata={"description": "Its number.", "example": 1}
    )

    @post_load
    def make(self, words: dict[str, Any], **_: Any) -> WorkflowId:
        """Make a number of the words."""
        return WorkflowId(words["workflow_id"])
