"""What the views share: the database, the rules, the listings."""

from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from api.circuit_breaker import Database
from api.listing_cache import CachedListing
from api.registrar import Registrar
from shared.domain.presence import PresenceRules
from shared.services.module_listing import presence_rules, stream_all, stream_online
from shared.services.registration_quota import RegistrationQuota
from shared.settings import Settings
from shared.store import Store

_EXTENSION = "forecast-platform"


@dataclass(frozen=True, kw_only=True)
class Resources:
    """One application's own; views reach them by `resources()`."""

    database: Database
    rules: PresenceRules
    online: CachedListing
    everyone: CachedListing
    registrar: Registrar


def share_resources(app: Flask, settings: Settings, store: Store) -> None:
    """Make what the views of this application share."""
    data_dir = None if settings.database_server == "external" else settings.var_dir / "db"
    database, rules = Database(store, data_dir=data_dir), presence_rules(settings)
    app.extensions[_EXTENSION] = Resources(
        database=database,
        rules=rules,
        online=CachedListing(database, rules, stream_online),
        everyone=CachedListing(database, rules, stream_all),
        registrar=Registrar(database, store, RegistrationQuota.of(settings)),
    )


def resources() -> Resources:
    """Return what the views of the current application share."""
    return cast(Resources, current_app.extensions[_EXTENSION])
