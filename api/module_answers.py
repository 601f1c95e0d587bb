"""What the answers about modules hold: documentation for /openapi.json, never run over the data."""

from marshmallow import Schema, fields, validate

from shared.domain.closing import OfflineReason
from shared.domain.presence import State


class RegisteredAnswer(Schema):
    """The module as it is registered now."""

    hash = fields.String(metadata={"description": "What the module connects with."})
    module_hash = fields.String(metadata={"description": "The same."})
    module_id = fields.Integer()
    revision = fields.Integer(metadata={"description": "Counts changed re-registrations."})
    enabled = fields.Boolean(
        metadata={"description": "False: an operator keeps it away, and its connects are refused."}
    )


class ClosedAnswer(Schema):
    """The module whose socket was closed."""

    module_id = fields.Integer()
    module_name = fields.String()
    message = fields.String()


class DisablingAnswer(Schema):
    """Why an operator keeps a module away."""

    at = fields.DateTime()
    actor = fields.String()
    because = fields.String(metadata={"description": "Empty where no reason was given."})


class ModuleAnswer(Schema):
    """A module and what is seen of it now."""

    module_id = fields.Integer()
    name = fields.String()
    description = fields.String()
    mission_kind = fields.String(data_key="missionKind")
    model_hash = fields.String(data_key="modelHash")
    data_requirement = fields.Raw(allow_none=True, data_key="dataRequirement")
    input_data = fields.Raw(allow_none=True)
    output_data = fields.Raw(allow_none=True)
    tags = fields.List(fields.String())
    priority = fields.Integer()
    enabled = fields.Boolean()
    disabled = fields.Nested(DisablingAnswer, allow_none=True)
    revision = fields.Integer()
    module_hash = fields.String()
    alive = fields.Boolean()
    state = fields.String(validate=validate.OneOf([state.value for state in State]))
    in_doubt = fields.Boolean(
        metadata={"description": "Its node has not renewed its lease, and may be gone."}
    )
    offline_reason = fields.String(
        allow_none=True, validate=validate.OneOf([reason.value for reason in OfflineReason])
    )
    offline_detail = fields.Dict(
        keys=fields.String(),
        allow_none=True,
        metadata={
            "description": "How the last session ended, as far as it is known: `close_code`, "
            "`close_text`, and what the module's `bye` said: `bye_reason`, `back_by`."
        },
    )
    state_since = fields.DateTime()
    session_id = fields.String(allow_none=True)
    peer = fields.String(allow_none=True)
    node = fields.String(allow_none=True)
    registered_at = fields.DateTime()
    updated_at = fields.DateTime()
    last_alive_time = fields.DateTime(allow_none=True)
    last_login_time = fields.DateTime(allow_none=True)
    last_execution_time = fields.DateTime(allow_none=True)


class ShownModule(ModuleAnswer):
    """A module, and how it did lately."""

    figures = fields.Raw(
        metadata={
            "description": "Of the last 24 hours (`24h`) and 7 days (`7d`): how many messages "
            "finished and succeeded, and how long they took from the push to the result."
        }
    )
