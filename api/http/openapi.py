"""/openapi.json, made of the schemas and docstrings of the views."""

from enum import StrEnum
from typing import Any

import flask_smorest  # type: ignore[import-untyped]
import orjson
from flask import Flask, Response

from api.http.answer_fields import Word
from api.http.envelope import JSON
from api.http.responses import OTHER, register_responses

ABOUT = """Modules register, hold one WebSocket, and receive work; consumers fetch results.

Every answer is `{"code","message","result"}`. The contract of the socket is in
[/docs/protocol](/docs/protocol). A module in an address is its hash (in any case), its name, its
`module_id`, or the first 8 digits or more of its hash."""


class Api(flask_smorest.Api):  # type: ignore[misc]
    """flask-smorest with our envelope for errors, which api.http.envelope writes."""

    DEFAULT_ERROR_RESPONSE_NAME = OTHER.name

    def _register_responses(self) -> None:
        """Name our own errors, instead of one for every status that there is."""
        self.ma_plugin.converter.add_attribute_function(refer_to_words)
        register_responses(self.spec)

    def _register_error_handlers(self) -> None:
        """Leave errors to api.http.envelope."""

    def _openapi_json(self) -> Response:
        """Serve the document, for people to read, too."""
        text = orjson.dumps(self.spec.to_dict(), option=orjson.OPT_INDENT_2)
        return Response(text + b"\n", content_type=JSON)


def make_api(app: Flask) -> Api:
    """Make what collects the documentation of the blueprints registered with it."""
    app.config |= {
        "API_TITLE": "Forecast platform",
        "API_VERSION": "1",
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": "/",
        "API_SPEC_OPTIONS": {"info": {"description": ABOUT}},
    }
    return Api(app)


def refer_to_words(converter: Any, field: Any, *, ret: dict[str, Any]) -> dict[str, Any]:
    """Name each enumeration once, so that generated clients have one type for it."""
    if not isinstance(field, Word):
        return {}
    about = {key: ret[key] for key in ("description", "example") if key in ret}
    ret.clear()
    parts: list[dict[str, Any]] = [_name_words(converter.spec, kind) for kind in field.kinds]
    if field.allow_none:
        parts.append({"type": "null"})
    return about | (parts[0] if len(parts) == 1 else {"anyOf": parts})


def _name_words(spec: Any, kind: type[StrEnum]) -> dict[str, Any]:
    if kind.__name__ not in spec.components.schemas:
        words = {
            "type": "string",
            "description": kind.__doc__,
            "enum": [word.value for word in kind],
            "x-enum-varnames": [word.name for word in kind],
        }
        spec.components.schema(kind.__name__, words)
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
