"""The envelope as /openapi.json documents it; api.http.envelope writes it."""

from functools import cache

from marshmallow import Schema, fields


class Envelope(Schema):
    """Every answer."""

    code = fields.String(metadata={"description": "2000 is success."})
    message = fields.String()
    result = fields.Raw(allow_none=True)


@cache
def in_envelope(answer: type[Schema], *, many: bool) -> type[Schema]:
    """Return the schema of an envelope around this answer, one class for each."""
    result = fields.List(fields.Nested(answer)) if many else fields.Nested(answer)
    name = f"{answer.__name__}{'List' if many else ''}Envelope"
    return type(name, (Envelope,), {"result": result})
