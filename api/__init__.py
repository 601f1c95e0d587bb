"""The HTTP API: everything that it is made of, on one screen."""

from typing import Any

from flask import Flask
from flask_pymongo import PyMongo
from flask_pymongo.wrappers import MongoClient

from api.app_state import share_app_state
from api.circuit_breaker import CALL_TIMEOUT_MS
from api.events import events
from api.executions import executions
from api.health import health
from api.http.cors import allow_origins
from api.http.docs import docs
from api.http.envelope import register_error_handlers
from api.http.json_provider import OrjsonProvider
from api.http.openapi import make_api
from api.http.request_id import track_request_ids
from api.http.request_parser import BODY_MAX_BYTES
from api.http.whole_number import WholeNumberInPath
from api.messages import messages
from api.module_reference import ModuleWord
from api.modules import modules
from api.results import results
from api.scheduler import scheduler
from api.workflows import workflows
from shared.settings import Settings
from shared.store import Store, connect


def create_app(settings: Settings, store: Store | None = None) -> Flask:
    """Make the WSGI application; with a store of the caller's own, no client is opened.

    Raises SettingsError when the database's address is wrong.
    """
    app = Flask(__name__)
    hosts = [host.lower() for host in settings.allowed_hosts]
    app.config |= {
        "TRUSTED_HOSTS": None if "*" in hosts else hosts,
        "MAX_CONTENT_LENGTH": 16 * 2**20,
        "MAX_FORM_MEMORY_SIZE": BODY_MAX_BYTES,
        # An OPTIONS request gets the envelope, too, and in it what is allowed.
        "PROVIDE_AUTOMATIC_OPTIONS": False,
    }
    app.url_map.merge_slashes = False
    app.url_map.converters |= {"module": ModuleWord, "int": WholeNumberInPath}
    register_error_handlers(app)
    track_request_ids(app)
    allow_origins(app, settings.cors_origins)
    share_app_state(app, settings, store or _connect(app, settings))
    # Flask-PyMongo has set a provider of its own, which makes BSON objects of clients' JSON.
    app.json = OrjsonProvider(app)

    api = make_api(app)
    api.register_blueprint(modules)
    api.register_blueprint(messages)
    api.register_blueprint(results)
    api.register_blueprint(workflows)
    api.register_blueprint(executions)
    api.register_blueprint(events)
    api.register_blueprint(scheduler)
    api.register_blueprint(health)
    app.register_blueprint(docs)
    return app


def _connect(app: Flask, settings: Settings) -> Store:
    def open_client(address: str, **options: Any) -> MongoClient:
        client = PyMongo(app, address, **options).cx
        assert client is not None
        return client

    return connect(settings, timeout_ms=CALL_TIMEOUT_MS, open_client=open_client)
