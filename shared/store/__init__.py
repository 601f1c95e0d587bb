"""The store: one synchronous door to MongoDB, the only code that knows its driver."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

import pymongo
from pymongo import MongoClient, ReadPreference
from pymongo.database import Database
from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure
from pymongo.server_api import ServerApi

from shared.errors import DatabaseUnavailable, SettingsError
from shared.settings import Settings
from shared.store.checkouts import Checkouts
from shared.store.counters import Counters
from shared.store.deleted_modules import DeletedModules
from shared.store.deliveries import Deliveries
from shared.store.due_workflows import DueWorkflows
from shared.store.dump import Dump
from shared.store.errors import DatabaseError, is_away
from shared.store.events import Events
from shared.store.executions import Executions
from shared.store.heartbeats import Heartbeats
from shared.store.hourly_tallies import Tallies
from shared.store.indexes import Indexes
from shared.store.message_deadlines import MessageDeadlines
from shared.store.messages import Messages
from shared.store.modules import Modules
from shared.store.node_commands import NodeCommands
from shared.store.nodes import Nodes
from shared.store.quotas import Quotas
from shared.store.results import Results
from shared.store.sessions import Sessions
from shared.store.work_changes import WorkChanges
from shared.store.workers import Workers
from shared.store.workflows import Workflows

Document = dict[str, Any]

BATCH_TIMEOUT_SECONDS = 5.0
# The embedded server slows down tenfold under retryable writes, and a local mongod gains nothing
# from them: every write of ours is guarded and repeated by its loop anyway. And after it has been
# frozen, a streaming monitor finds it late once more and interrupts everything that is under way.
LOCAL_OPTIONS = {
    "retryWrites": False,
    "maxIdleTimeMS": 240_000,
    "serverMonitoringMode": "poll",
}


class Store:
    """One attribute per collection, over a database that the caller opened."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self.modules = Modules(database)
        self.sessions = Sessions(database)
        self.heartbeats = Heartbeats(database)
        self.nodes = Nodes(database)
        self.node_commands = NodeCommands(database)
        self.counters = Counters(database)
        self.events = Events(database)
        self.deleted_modules = DeletedModules(database)
        self.quotas = Quotas(database)
        self.workers = Workers(database)
        self.checkouts = Checkouts(database)
        self.messages = Messages(database)
        self.deliveries = Deliveries(database)
        self.work_changes = WorkChanges(database)
        self.results = Results(database)
        self.workflows = Workflows(database)
        self.due_workflows = DueWorkflows(database)
        self.message_deadlines = MessageDeadlines(database)
        self.executions = Executions(database)
        self.tallies = Tallies(database)
        self.dump = Dump(database)
        self.indexes = Indexes(
            database,
            {
                "modules": Modules.INDEXES,
                "node_commands": NodeCommands.INDEXES,
                "events": Events.INDEXES,
                "messages": Messages.INDEXES,
                "results": Results.INDEXES,
                "workflows": Workflows.INDEXES,
                "executions": Executions.INDEXES,
            },
        )

    def ping(self) -> None:
        """Ask the server for a sign of life; raise a driver error if there is none."""
        self._database.command("ping")

    def refuses_writes(self) -> bool:
        """Write something; True when the server answers with an error, which it does on a full disk.

        Raises a driver error when it does not answer at all.
        """
        try:
            self.counters.count_probe()
        except OperationFailure as error:
            return not error.timeout
        return False

    def server_time(self) -> datetime:
        """Return the time on the server's own clock."""
        admin = self._database.client["admin"]
        hello = admin.command("hello", codec_options=self._database.codec_options)
        return cast(datetime, hello["localTime"])

    def close(self) -> None:
        """Close the client and its sockets."""
        self._database.client.close()


def client_options(settings: Settings, *, timeout_ms: int = 1500) -> dict[str, Any]:
    """Return what every client of the platform is opened with.

    The driver's own defaults hang for 30 s on a dead server and for ever on a stopped one.
    """
    options: dict[str, Any] = {
        "tz_aware": True,
        "uuidRepresentation": "standard",
        "serverSelectionTimeoutMS": 1000,
        "connectTimeoutMS": 1000,
        "timeoutMS": timeout_ms,
        "server_api": ServerApi("1", strict=True, deprecation_errors=True),
    }
    if not settings.mongodb_host:
        return options | LOCAL_OPTIONS
    wanted = {"retryWrites": True, "w": "majority"}
    given = settings.mongodb_host.casefold()
    return options | {k: v for k, v in wanted.items() if f"{k.casefold()}=" not in given}


def connect(
    settings: Settings,
    *,
    timeout_ms: int = 1500,
    open_client: Callable[..., MongoClient[Document]] = MongoClient,
    **options: Any,
) -> Store:
    """Open a client of its own on the settings' database; nothing is sent yet.

    Raises SettingsError for an address that makes no sense, or that asks for less than we rely on.
    """
    try:
        client = open_client(
            settings.database_url, **client_options(settings, timeout_ms=timeout_ms) | options
        )
    except (ConfigurationError, InvalidURI, ValueError) as error:
        raise SettingsError([f"MONGODB_HOST: {error}"]) from None
    problems = [] if "w" in options else _find_weak_options(client)
    if problems:
        client.close()
        raise SettingsError([f"MONGODB_HOST: {problem}" for problem in problems])
    return Store(client[settings.mongodb_name])


def _find_weak_options(client: MongoClient[Document]) -> list[str]:
    problems = []
    if client.read_preference.mode != ReadPreference.PRIMARY.mode:
        problems.append(
            f"readPreference={client.read_preference.mongos_mode} may read what is out of date: "
            "leave it out, everything is read from the primary"
        )
    acknowledged_by = client.write_concern.document.get("w")
    if acknowledged_by in (0, 1):
        problems.append(
            f"w={acknowledged_by} loses writes when a primary fails: leave it out, or w=majority"
        )
    return problems


@contextmanager
def batch_timeout(seconds: float = BATCH_TIMEOUT_SECONDS) -> Iterator[None]:
    """Give the calls inside more time than a single small one gets."""
    with pymongo.timeout(seconds):
        yield


@contextmanager
def unavailable_as_platform_error() -> Iterator[None]:
    """Turn the driver's errors into DatabaseUnavailable while the database is away."""
    try:
        yield
    except DatabaseError as error:
        if not is_away(error):
            raise
        raise DatabaseUnavailable from error
