"""What requests about executions say, as marshmallow schemas: checked, and documented."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marshmallow import fields, post_load, validate

from api.http.fields import Moment, RequestSchema, Text, WholeNumber
from api.module_requests import PAGE_MAX
from shared.domain.execution import ExecutionStatus
from shared.domain.ids import ExecutionId

PAGE_DEFAULT = 100
ID_MAX_LENGTH = 64


@dataclass(frozen=True, kw_only=True)
class ExecutionsRequest:
    """Which part of a workflow's executions a caller wants."""

    status: ExecutionStatus | None = None
    since: datetime | None = None
    after: ExecutionId | None = None
    limit: int = PAGE_DEFAULT


class ExecutionsQuery(RequestSchema):
    """Filters and the page of a workflow's executions."""

    unsaid = ExecutionsRequest()

    status = fields.String(
        validate=validate.OneOf(
            [status.value for status in ExecutionStatus], error="must be one of: {choices}"
        ),
        metadata={"description": "Only those with this status."},
    )
    since = Moment(metadata={"description": "Only those that were due then or later."})
    limit = WholeNumber(1, PAGE_MAX, metadata={"description": f"{PAGE_DEFAULT} without it."})
    after = Text(
        ID_MAX_LENGTH,
        metadata={"description": "The execution_id of the last item of the page before."},
    )

    @post_load
    def make(self, words: dict[str, Any], **_: Any) -> ExecutionsRequest:
        """Make a value of the words."""
        if "status" in words:
            words["status"] = ExecutionStatus(words["status"])
        return ExecutionsRequest(**words)
