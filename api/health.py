"""Is the process alive, and can it work?"""

from flask import Response

from api.app_state import app_state
from api.http.answer_fields import AnswerSchema, text, texts
from api.http.blueprint import Blueprint
from api.http.envelope import ok

health = Blueprint("health", __name__, description="For probes and people.")


class IndexAnswer(AnswerSchema):
    """What this is and where to go on."""

    name = text("forecast platform")
    links = texts(["/module/online", "/docs"])


class HealthAnswer(AnswerSchema):
    """How the process is."""

    status = text("alive")


@health.route("/")
@health.response(200, IndexAnswer())
def index() -> Response:
    """Say what this is and where to go on.

    For people who open the address in a browser.
    """
    links = (
        "/module/online",
        "/module/list",
        "/docs",
        "/docs/protocol",
        "/openapi.json",
        "/healthz",
        "/readyz",
    )
    return ok({"name": "forecast platform", "links": list(links)})


@health.route("/healthz")
@health.response(200, HealthAnswer())
def healthz() -> Response:
    """Say that the process is alive.

    Without a look at the database.
    """
    return ok({"status": "alive"})


@health.route("/readyz")
@health.response(200, HealthAnswer())
def readyz() -> Response:
    """Say that the database takes a write within a second.

    503 says why not.
    """
    app_state().breaker.prove_write()
    return ok({"status": "ready"})
