"""Is the process alive, and can it work?"""

from flask import Response
from marshmallow import Schema, fields

from api.app_state import app_state
from api.http.blueprint import Blueprint
from api.http.envelope import ok

health = Blueprint("health", __name__, description="For probes and people.")


class IndexAnswer(Schema):
    """What this is and where to go on."""

    name = fields.String()
    links = fields.List(fields.String())


class HealthAnswer(Schema):
    """How the process is."""

    status = fields.String()


@health.route("/")
@health.response(200, IndexAnswer())
def index() -> Response:
    """Say what this is and where to go on."""
    links = ("/module/online", "/module/list", "/docs", "/openapi.json", "/healthz", "/readyz")
    return ok({"name": "forecast platform", "links": list(links)})


@health.route("/healthz")
@health.response(200, HealthAnswer())
def healthz() -> Response:
    """Answer without the database: the process is alive."""
    return ok({"status": "alive"})


@health.route("/readyz")
@health.response(200, HealthAnswer())
def readyz() -> Response:
    """Answer when the database takes a write within a second."""
    app_state().breaker.prove_write()
    return ok({"status": "ready"})
