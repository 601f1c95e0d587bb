"""Every setting, typed and validated."""

import re
import secrets
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from environs import EnvValidationError
from marshmallow import validate

from shared.environment import PROJECT_DIR as PROJECT_DIR
from shared.environment import Environment, env_file_path, tell_owner
from shared.errors import SettingsError

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
SECRET_FIELDS = frozenset({"secret_key", "mongodb_host"})
# Fields of Settings that no variable sets.
NO_VARIABLES = frozenset({"warnings", "origins"})
# What our own database asks for; the first `up` makes it.
PASSWORD_FILE = "database-password"  # noqa: S105
DATABASE_USER = "platform"

_positive = validate.Range(min=0, min_inclusive=False)
_not_negative = validate.Range(min=0)
_at_least_one = validate.Range(min=1)
_not_empty = validate.Length(min=1)
_port = validate.Range(min=1, max=65535)
# Browsers refuse to open port 10080, the platform's usual one (it is on their list of bad ports).
REFUSED_BY_BROWSERS = 10080
WEB_PORT_INSTEAD = 10088


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the platform was told; the variable of each field is its name in capitals."""

    debug: bool
    secret_key: str
    allowed_hosts: tuple[str, ...]
    cors_origins: tuple[str, ...]
    log_level: str
    var_dir: Path

    server_host: str
    server_port: int
    web_port: int
    api_port: int
    api_workers: int
    api_threads: int
    worker_port: int
    worker_processes: int
    wsd_host: str
    wsd_port: int
    wsd_processes: int
    node_name: str
    max_connections: int
    max_connections_per_address: int
    registrations_per_address_and_hour: int
    max_modules: int

    mongodb_host: str
    mongodb_name: str
    mongodb_port: int
    mongod_bin: str

    websocket_ping_interval_seconds: float
    websocket_timeout_seconds: float
    websocket_max_message_bytes: int
    protocol_ping_seconds: float
    heartbeat_flush_seconds: float
    lease_seconds: float
    lease_renew_seconds: float
    reconcile_seconds: float
    command_poll_seconds: float
    takeover_window_seconds: float
    takeover_probe_seconds: float
    freeze_seconds: float
    freeze_grace_seconds: float
    closes_per_second: int
    event_retention_days: int
    message_retention_days: int
    result_retention_days: int
    execution_retention_days: int
    execution_timeout_seconds: float

    notification_email: str
    email_api_url: str

    warnings: tuple[str, ...] = field(default=(), compare=False)
    # Where each variable's value comes from.
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_env(
        cls, env_file: Path | None = None, *, running: Mapping[str, str] | None = None
    ) -> "Settings":
        """Read the environment over `.env` over the defaults; what is running over all of them.

        Raises SettingsError that names every bad variable at once.
        """
        env = Environment(env_file or env_file_path(), running or {})
        values = _read_service(env) | _read_database(env) | _read_liveness(env) | _read_mail(env)
        for name in ("allowed_hosts", "cors_origins"):
            words = (word.strip() for word in values[name] or ())
            values[name] = tuple(word for word in words if word)
        values["web_port"] = values["web_port"] or _choose_web_port(values["server_port"])
        bad = _find_bad_combinations(values) | _find_bad_values(env)
        if bad:
            raise SettingsError([f"{name}: {' '.join(said)}" for name, said in sorted(bad.items())])
        if not values["secret_key"]:
            values["secret_key"] = secrets.token_urlsafe(32)  # DEBUG only: good for one process
        if not values["var_dir"].is_absolute():
            values["var_dir"] = PROJECT_DIR / values["var_dir"]
        warnings = _raise_short_timeout(values) + env.find_unknown(variables())
        return cls(**values, warnings=warnings, origins=env.origins)

    @property
    def database_server(self) -> str:
        """Which server holds the data: `external`, or ours: `mongod`, else `embedded`."""
        if self.mongodb_host:
            return "external"
        return "mongod" if self.mongod_path else "embedded"

    @property
    def mongod_path(self) -> str:
        """Where `mongod` lies on this machine; empty if there is none."""
        return shutil.which(self.mongod_bin or "mongod") or ""

    @property
    def database_url(self) -> str:
        """The address of the database that this installation uses."""
        if not self.mongodb_host:
            password = self.database_password
            user = f"{DATABASE_USER}:{password}@" if password else ""
            return f"mongodb://{user}127.0.0.1:{self.mongodb_port}/?directConnection=true"
        if "://" in self.mongodb_host:
            return self.mongodb_host
        return f"mongodb://{self.mongodb_host}"

    @property
    def database_password(self) -> str:
        """What our own database asks for; empty until an `up` has made one."""
        path = self.var_dir / PASSWORD_FILE
        try:
            return path.read_text(encoding="ascii").strip()
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except PermissionError:
            raise SettingsError([tell_owner(path)]) from None

    def as_environment(self, *, masked: bool = True) -> dict[str, str]:
        """Return every setting under its variable's name, secrets masked unless told otherwise."""
        shown = {}
        for name in (one.name for one in fields(self) if one.name not in NO_VARIABLES):
            value = getattr(self, name)
            text = ",".join(value) if isinstance(value, tuple) else str(value)
            hide = masked and text and name in SECRET_FIELDS
            shown[name.upper()] = _mask(name, text) if hide else text
        return shown


def variables() -> list[str]:
    """Return the name of every setting's variable."""
    return [one.name.upper() for one in fields(Settings) if one.name not in NO_VARIABLES]


def _read_service(env: Environment) -> dict[str, Any]:
    return {
        "debug": env.bool("DEBUG", False),
        "secret_key": env.str("SECRET_KEY", ""),
        "allowed_hosts": env.list("ALLOWED_HOSTS", []),
        "cors_origins": env.list("CORS_ORIGINS", []),
        "log_level": env.str("LOG_LEVEL", "INFO", validate=validate.OneOf(LOG_LEVELS)),
        "var_dir": env.path("VAR_DIR", Path("var")),
        "server_host": env.str("SERVER_HOST", "0.0.0.0", validate=_not_empty),  # noqa: S104
        "server_port": env.int("SERVER_PORT", 10080, validate=_port),
        "web_port": env.int("WEB_PORT", 0, validate=validate.Range(min=0, max=65535)),
        "api_port": env.int("API_PORT", 10081, validate=_port),
        "api_workers": env.int("API_WORKERS", 2, validate=_at_least_one),
        "api_threads": env.int("API_THREADS", 16, validate=_at_least_one),
        "worker_port": env.int("WORKER_PORT", 10083, validate=_port),
        "worker_processes": env.int("WORKER_PROCESSES", 1, validate=validate.Range(min=1, max=16)),
        "wsd_host": env.str("WSD_HOST", "127.0.0.1", validate=_not_empty),
        "wsd_port": env.int("WSD_PORT", 10090, validate=_port),
        "wsd_processes": env.int("WSD_PROCESSES", 1, validate=validate.Range(min=1, max=64)),
        "node_name": env.str("NODE_NAME", socket.gethostname()),
        "max_connections": env.int("MAX_CONNECTIONS", 8000, validate=_at_least_one),
        "max_connections_per_address": env.int(
            "MAX_CONNECTIONS_PER_ADDRESS", 0, validate=_not_negative
        ),
        "registrations_per_address_and_hour": env.int(
            "REGISTRATIONS_PER_ADDRESS_AND_HOUR", 0, validate=_not_negative
        ),
        "max_modules": env.int("MAX_MODULES", 0, validate=_not_negative),
    }


def _read_database(env: Environment) -> dict[str, Any]:
    def days(name: str, default: int) -> Any:
        # Dates begin in the year 1; nothing is kept for longer than a century.
        return env.int(name, default, validate=validate.Range(min=1, max=36500))

    return {
        "mongodb_host": env.str("MONGODB_HOST", ""),
        "mongodb_name": env.str(
            "MONGODB_NAME", "forecast_platform", validate=validate.Regexp(r"^[A-Za-z0-9_-]{1,63}$")
        ),
        "mongodb_port": env.int("MONGODB_PORT", 10082, validate=_port),
        "mongod_bin": env.str("MONGOD_BIN", ""),
        "event_retention_days": days("EVENT_RETENTION_DAYS", 30),
        "message_retention_days": days("MESSAGE_RETENTION_DAYS", 7),
        "result_retention_days": days("RESULT_RETENTION_DAYS", 30),
        "execution_retention_days": days("EXECUTION_RETENTION_DAYS", 90),
        "execution_timeout_seconds": env.float(
            "EXECUTION_TIMEOUT_SECONDS", 120.0, validate=_positive
        ),
    }


def _read_liveness(env: Environment) -> dict[str, Any]:
    def seconds(name: str, default: float) -> Any:
        return env.float(name, default, validate=_positive)

    return {
        "websocket_ping_interval_seconds": seconds("WEBSOCKET_PING_INTERVAL_SECONDS", 30.0),
        "websocket_timeout_seconds": seconds("WEBSOCKET_TIMEOUT_SECONDS", 90.0),
        "websocket_max_message_bytes": env.int(
            "WEBSOCKET_MAX_MESSAGE_BYTES", 2**20, validate=validate.Range(min=1024, max=2**26)
        ),
        "protocol_ping_seconds": seconds("PROTOCOL_PING_SECONDS", 20.0),
        "heartbeat_flush_seconds": seconds("HEARTBEAT_FLUSH_SECONDS", 10.0),
        "lease_seconds": seconds("LEASE_SECONDS", 20.0),
        "lease_renew_seconds": seconds("LEASE_RENEW_SECONDS", 5.0),
        "reconcile_seconds": seconds("RECONCILE_SECONDS", 20.0),
        "command_poll_seconds": seconds("COMMAND_POLL_SECONDS", 1.0),
        "takeover_window_seconds": seconds("TAKEOVER_WINDOW_SECONDS", 60.0),
        "takeover_probe_seconds": seconds("TAKEOVER_PROBE_SECONDS", 5.0),
        "freeze_seconds": seconds("FREEZE_SECONDS", 2.0),
        "freeze_grace_seconds": seconds("FREEZE_GRACE_SECONDS", 5.0),
        "closes_per_second": env.int("CLOSES_PER_SECOND", 500, validate=_at_least_one),
    }


def _read_mail(env: Environment) -> dict[str, Any]:
    return {
        "notification_email": env.str("NOTIFICATION_EMAIL", ""),
        "email_api_url": env.str("EMAIL_API_URL", ""),
    }


def _find_bad_values(env: Environment) -> dict[str, list[str]]:
    try:
        env.seal()
    except EnvValidationError as error:
        return cast(dict[str, list[str]], error.error_messages)
    return {}


def _find_bad_combinations(values: dict[str, Any]) -> dict[str, list[str]]:
    """Return what is wrong beyond a single value; a value that could not be read is None."""
    bad: dict[str, list[str]] = {}
    if values["debug"] is False:
        for name in ("secret_key", "allowed_hosts"):
            if not values[name]:
                hint = " (* = any host name)" if name == "allowed_hosts" else ""
                bad[name.upper()] = [f"is required unless DEBUG=True{hint}"]
    for name in ("mongodb_host", "email_api_url"):
        problem = _address_problem(values[name] or "", name)
        if problem:
            bad[name.upper()] = [problem]
    if wrong := [origin for origin in values["cors_origins"] if not _is_origin(origin)]:
        bad["CORS_ORIGINS"] = [
            f"{wrong[0]!r} is no origin such as https://pages.example:8443, or *"
        ]
    if values["mongod_bin"] and not shutil.which(values["mongod_bin"]):
        bad["MONGOD_BIN"] = ["is not a program that can be run"]
    lease, renew = values["lease_seconds"], values["lease_renew_seconds"]
    if lease is not None and renew is not None and renew * 2 > lease:
        bad["LEASE_RENEW_SECONDS"] = ["must be at most half of LEASE_SECONDS"]
    for port in _clashing_ports(values):
        bad.setdefault(
            "SERVER_PORT, WEB_PORT, API_PORT, WORKER_PORT, MONGODB_PORT, WSD_PORT", []
        ).append(
            f"port {port} is given twice "
            "(WSD_PORT takes WSD_PROCESSES ports in a row, WORKER_PORT WORKER_PROCESSES)"
        )
    return bad


_is_origin = re.compile(r"\*|https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?").fullmatch


def _choose_web_port(server_port: int) -> int:
    return WEB_PORT_INSTEAD if server_port == REFUSED_BY_BROWSERS else server_port


def _clashing_ports(values: dict[str, Any]) -> list[int]:
    single = ("server_port", "api_port", "mongodb_port")
    ports = [values[name] for name in single]
    ports += [values["web_port"]] if values["web_port"] != values["server_port"] else []
    ports = [port for port in ports if port is not None]
    for name in ("wsd", "worker"):
        first, count = values[f"{name}_port"], values[f"{name}_processes"]
        if first is not None and count is not None:
            ports += range(first, first + count)
    return sorted({port for port in ports if ports.count(port) > 1})


def _address_problem(text: str, name: str) -> str | None:
    scheme = urlsplit(text).scheme if "://" in text else ""
    if name == "email_api_url" and text and scheme not in ("http", "https"):
        return "must start with http:// or https://"
    if name == "mongodb_host" and scheme not in ("", "mongodb", "mongodb+srv"):
        return "must be host:port, mongodb://… or mongodb+srv://…"
    return None


def _raise_short_timeout(values: dict[str, Any]) -> tuple[str, ...]:
    """Raise an offline time-out below three intervals, in place; return the warnings."""
    least = 3 * values["websocket_ping_interval_seconds"]
    given = values["websocket_timeout_seconds"]
    if given >= least:
        return ()
    values["websocket_timeout_seconds"] = least
    return (
        f"WEBSOCKET_TIMEOUT_SECONDS={given:g} is below three ping intervals: "
        f"{least:g} is used instead",
    )


def _mask(name: str, text: str) -> str:
    if name != "mongodb_host":
        return "********"
    start = text.find("://") + len("://") if "://" in text else 0
    credentials, at, hosts = text[start:].rpartition("@")
    user, colon, _ = credentials.partition(":")
    return f"{text[:start]}{user}{':********' if colon else ''}@{hosts}" if at else text
