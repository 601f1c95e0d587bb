"""What requests for events say, as marshmallow schemas: checked, and documented."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from api.http.fields import Moment, RequestSchema, Text, WholeNumber
from api.module_reference import CALLED
from api.module_requests import PAGE_MAX
from shared.domain.event_words import REASONS, WORDS
from shared.domain.module import NAME_MAX_LENGTH
from shared.services.event_history import EventFilter

PAGE_DEFAULT = 100
ID_MAX_LENGTH = 400
LATELY = timedelta(days=1)
_ONE_OF = "must be one of: {choices}"


@dataclass(frozen=True, kw_only=True)
class EventsRequest:
    """Which part of the history a caller wants."""

    chosen: EventFilter = field(default_factory=EventFilter)
    limit: int = PAGE_DEFAULT

    def filter_from(self, now: datetime) -> EventFilter:
        """Return the filter; what says neither a time nor a subject is about the last day."""
        chosen = self.chosen
        is_bounded = chosen.since or chosen.module is not None or chosen.workflow is not None
        return chosen if is_bounded else replace(chosen, since=now - LATELY)

    def filter_of(self, module: str) -> EventFilter:
        """Return the filter for one module's history."""
        return replace(self.chosen, module=module)


class ModuleEventsQuery(RequestSchema):
    """Filters and the page of a module's history."""

    unsaid = EventsRequest()

    what = fields.String(
        validate=validate.OneOf(WORDS, error=_ONE_OF), metadata={"description": "Only this."}
    )
    reason = fields.String(
        validate=validate.OneOf(REASONS, error=_ONE_OF),
        metadata={"description": "Only for this reason."},
    )
    since = Moment(metadata={"description": "Only what happened then or later."})
    before = Moment(metadata={"description": "Only what happened before then."})
    limit = WholeNumber(1, PAGE_MAX, metadata={"description": f"{PAGE_DEFAULT} without it."})
    after = Text(
        ID_MAX_LENGTH,
        metadata={"description": "The event_id of the last item of the page before."},
    )

    @post_load
    def make(self, words: dict[str, Any], **_: Any) -> EventsRequest:
        """Make a value of the words."""
        limit = words.pop("limit", PAGE_DEFAULT)
        return EventsRequest(chosen=EventFilter(**words), limit=limit)


class EventsQuery(ModuleEventsQuery):
    """Filters and the page of the history."""

    module = Text(
        NAME_MAX_LENGTH, is_normalised=True, may_be_empty=False, metadata={"description": CALLED}
    )
    workflow = Text(
        NAME_MAX_LENGTH,
        is_normalised=True,
        may_be_empty=False,
        data_key="workflow_id",
        metadata={"description": "This workflow and its executions; its name does, too."},
    )
    name = Text(
        NAME_MAX_LENGTH,
        is_normalised=True,
        metadata={"description": "Any part of a module's or workflow's name, in any case."},
    )

    @validates_schema
    def require_one_subject(self, words: dict[str, Any], **_: Any) -> None:
        """Refuse a question about a module and a workflow at once."""
        if "module" in words and "workflow" in words:
            raise ValidationError("must not be given beside module", "workflow_id")
