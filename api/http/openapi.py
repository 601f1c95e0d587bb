"""/openapi.json, made of the schemas and docstrings of the views, and /docs, which shows it."""

import flask_smorest  # type: ignore[import-untyped]
import orjson
from flask import Blueprint, Flask, Response, current_app

from api.http.envelope import JSON
from api.http.envelope_schemas import Envelope

docs = Blueprint("docs", __name__)


class Api(flask_smorest.Api):  # type: ignore[misc]
    """flask-smorest with our envelope for errors, which api.http.envelope writes."""

    ERROR_SCHEMA = Envelope

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
    }
    return Api(app)


@docs.get("/docs")
def show_docs() -> Response:
    """Show the API in Swagger UI, from our own files."""
    return current_app.send_static_file("docs.html")
