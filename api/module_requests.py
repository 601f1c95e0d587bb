"""What requests about modules say, as marshmallow schemas: checked, and documented."""

from dataclasses import dataclass
from typing import Any

from marshmallow import EXCLUDE, RAISE, fields, post_load, validate

from api.http.fields import JsonValue, RequestSchema, Text, WholeNumber
from shared.domain.module import (
    DESCRIPTION_MAX_LENGTH,
    NAME_MAX_LENGTH,
    PRIORITY_MAX,
    TAG_MAX_LENGTH,
    TAGS_MAX,
    Registration,
)
from shared.domain.presence import State

KIND_MAX_LENGTH = 100
MODEL_HASH_MAX_LENGTH = 200
PAGE_MAX = 1000
INT32_MAX = 2**31 - 1

_REQUIREMENT = "Which data the module reads: a JSON object or array of at most 64 KiB."
_INPUT = "The later name of dataRequirement."
_OUTPUT = "Which data the module writes."
_REQUIREMENT_EXAMPLE = [
    {"table_name": "hourly_load", "time_begin": -72, "time_end": 0, "time_unit": "h"}
]


class RegistrationQuery(RequestSchema):
    """A module about itself, in a query: the JSON values are texts."""

    class Meta:
        """Pass over what earlier clients may say besides."""

        unknown = EXCLUDE

    name = Text(
        NAME_MAX_LENGTH,
        is_normalised=True,
        may_be_empty=False,
        required=True,
        metadata={"description": "With the next two it makes the hash.", "example": "load-72h"},
    )
    description = Text(
        DESCRIPTION_MAX_LENGTH,
        is_one_line=False,
        metadata={"description": "For people.", "example": "The load of the next 72 hours"},
    )
    mission_kind = Text(
        KIND_MAX_LENGTH,
        is_normalised=True,
        data_key="missionKind",
        metadata={
            "description": "What it forecasts: work may be sent to a kind.",
            "example": "load",
        },
    )
    model_hash = Text(
        MODEL_HASH_MAX_LENGTH,
        is_normalised=True,
        data_key="modelHash",
        metadata={"description": "The model's version, if another one is another module."},
    )
    data_requirement = JsonValue(
        is_text=True,
        data_key="dataRequirement",
        description=_REQUIREMENT,
        example=_REQUIREMENT_EXAMPLE,
    )
    input_data = JsonValue(is_text=True, description=_INPUT)
    output_data = JsonValue(is_text=True, description=_OUTPUT)

    @post_load
    def make(self, words: dict[str, Any], **_: Any) -> Registration:
        """Make the domain's value of the words."""
        if "tags" in words:
            words["tags"] = tuple(words["tags"])
        return Registration(**words)


class RegistrationBody(RegistrationQuery):
    """A module about itself, in a body: the JSON values stand as they are, or as texts."""

    class Meta:
        """Refuse what a form of today would say in vain."""

        unknown = RAISE

    data_requirement = JsonValue(
        is_text=False,
        data_key="dataRequirement",
        description=_REQUIREMENT,
        example=_REQUIREMENT_EXAMPLE,
    )
    input_data = JsonValue(is_text=False, description=_INPUT)
    output_data = JsonValue(is_text=False, description=_OUTPUT)
    priority = WholeNumber(
        0,
        PRIORITY_MAX,
        metadata={"description": "Work for a kind goes to the highest; 100.", "example": 100},
    )
    tags = fields.List(
        Text(TAG_MAX_LENGTH, may_be_empty=False),
        validate=validate.Length(max=TAGS_MAX, error=f"must not be more than {TAGS_MAX}"),
        error_messages={"invalid": "must be a list of texts"},
        metadata={"description": "For filters.", "example": ["pilot"]},
    )


@dataclass(frozen=True, kw_only=True)
class ListingRequest:
    """Which part of a listing a caller wants."""

    mission_kind: str | None = None
    tag: str | None = None
    name: str | None = None
    state: State | None = None
    limit: int | None = None
    after: int | None = None


class ListingQuery(RequestSchema):
    """Filters and the page of a listing."""

    unsaid = ListingRequest()

    mission_kind = Text(
        KIND_MAX_LENGTH,
        is_normalised=True,
        data_key="missionKind",
        metadata={"description": "Exactly this kind; empty: those without one."},
    )
    tag = Text(TAG_MAX_LENGTH, is_normalised=True, metadata={"description": "Has this tag."})
    name = Text(
        NAME_MAX_LENGTH,
        is_normalised=True,
        metadata={"description": "Any part of the name, in any case."},
    )
    state = fields.String(
        validate=validate.OneOf(
            [state.value for state in State], error="must be one of: {choices}"
        ),
        metadata={"description": "Is in this state."},
    )
    limit = WholeNumber(1, PAGE_MAX, metadata={"description": "All of them without it."})
    after = WholeNumber(
        0, 2**53, metadata={"description": "The module_id of the last item of the page before."}
    )

    @post_load
    def make(self, words: dict[str, Any], **_: Any) -> ListingRequest:
        """Make a value of the words."""
        if "state" in words:
            words["state"] = State(words["state"])
        return ListingRequest(**words)
