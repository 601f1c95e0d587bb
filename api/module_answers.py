"""What the answers about modules hold: documentation for /openapi.json, never run over the data."""

from marshmallow import Schema, fields

from api.http.answer_fields import (
    AnswerSchema,
    Word,
    anything,
    flag,
    moment,
    number,
    text,
    texts,
    things,
    whole,
)
from shared.domain.closing import OfflineReason
from shared.domain.presence import State

HASH = "79219dcfcad1e0eb8baad6dd7718698695c23aec3d8a4070f90386c7be8aefeb"


class RegisteredAnswer(AnswerSchema):
    """The module as it is registered now."""

    hash = text(HASH, "What the module connects with.")
    module_hash = text(HASH, "The same.")
    module_id = whole(1)
    revision = whole(1, "Counts changed re-registrations.")
    enabled = flag(True, "False: an operator keeps it away, and its connects are refused.")


class ClosedAnswer(AnswerSchema):
    """The module whose socket was closed."""

    module_id = whole(1)
    module_name = text("load-72h")
    message = text("The WebSocket is being closed.")


class DisablingAnswer(AnswerSchema):
    """Why an operator keeps a module away."""

    at = moment()
    actor = text("user:li")
    because = text("new model", "Empty where no reason was given.")


class ModuleAnswer(AnswerSchema):
    """A module and what is seen of it now."""

    module_id = whole(1, "Counts up from 1.")
    name = text("load-72h")
    description = text("The load of the next 72 hours")
    mission_kind = text("load", data_key="missionKind")
    model_hash = text("", data_key="modelHash")
    data_requirement = anything(
        [{"table_name": "hourly_load", "time_begin": -72, "time_end": 0, "time_unit": "h"}],
        "As it was registered.",
        data_key="dataRequirement",
    )
    input_data = anything(None)
    output_data = anything(None)
    tags = texts(["pilot"])
    priority = whole(100)
    enabled = flag(True, "False: an operator keeps it away, and its connects are refused.")
    disabled = fields.Nested(DisablingAnswer, allow_none=True, metadata={"example": None})
    revision = whole(1)
    module_hash = text(HASH)
    alive = flag(True, "It is online or suspect.")
    state = Word(State, example=State.ONLINE)
    in_doubt = flag(False, "Its node has not renewed its lease, and may be gone.")
    offline_reason = Word(OfflineReason, example=None, allow_none=True)
    offline_detail = things(
        None,
        "How the last session ended, as far as it is known: `close_code`, `close_text`, and what "
        "the module's `bye` said: `bye_reason`, `back_by`.",
    )
    state_since = moment()
    session_id = text("7d4f0e6c2b1a4c59", allow_none=True)
    peer = text("192.0.2.7:50000", "The address that its socket comes from.", allow_none=True)
    node = text("vm:10090:20261121T163907-13547-1", "The wsd process.", allow_none=True)
    registered_at = moment()
    updated_at = moment()
    last_alive_time = moment(about="Of its last heartbeat; up to 15 s old.", allow_none=True)
    last_login_time = moment(allow_none=True)
    last_execution_time = moment(None)


class Figures(AnswerSchema):
    """How much was done in a time, and how well."""

    finished = whole(42)
    succeeded = whole(41)
    success_rate = number(0.9762, allow_none=True)
    p50_seconds = number(0.65, "From the push to the result.", allow_none=True)
    p95_seconds = number(1.2, allow_none=True)


def record_of(figures: type[Schema]) -> type[Schema]:
    """Return the schema of such figures of the last 24 hours and of the last 7 days."""
    times = {"day": fields.Nested(figures, data_key="24h")}
    times |= {"week": fields.Nested(figures, data_key="7d")}
    return type(figures.__name__.replace("Figures", "Record"), (AnswerSchema,), dict(times))


class ShownModule(ModuleAnswer):
    """A module, and how it did lately."""

    figures = fields.Nested(
        record_of(Figures), metadata={"description": "Of the last 24 hours and 7 days."}
    )
