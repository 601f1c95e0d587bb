"""The database server itself, asked through a plain client: the Stable API knows no such commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from shared.settings import Settings
from shared.store import client_options
from shared.store.errors import is_refusal

ALREADY_INITIALIZED = 23


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What a server says about itself; `local_time` is the time that it read while answering."""

    version: str
    is_writable: bool
    is_sharded: bool
    replica_set: str | None
    local_time: datetime
    product: str = "MongoDB"


class Server:
    """A database server, for diagnostics and for the one command that makes it a replica set."""

    def __init__(self, client: MongoClient[dict[str, Any]]) -> None:
        self._admin = client["admin"]
        # Commands do not take the client's own: times would come without their zone.
        self._codec = client.codec_options

    def describe(self) -> ServerFacts:
        """Ask the server what it is."""
        build = self._admin.command("buildInfo")
        hello = self._admin.command("hello", codec_options=self._codec)
        embedded = build.get("secantusVersion")
        return ServerFacts(
            version=embedded or build["version"],
            product="SecantusDB" if embedded else "MongoDB",
            is_writable=hello["isWritablePrimary"],
            is_sharded=hello.get("msg") == "isdbgrid",
            replica_set=hello.get("setName"),
            local_time=hello["localTime"],
        )

    def needs_initiation(self) -> bool:
        """Return whether it was started as a member of a replica set that was not made yet."""
        hello = self._admin.command("hello")
        return bool(hello.get("isreplicaset")) and "setName" not in hello

    def initiate_replica_set(self, name: str, address: str) -> None:
        """Make it the only member of a replica set; it is one already when two processes ask."""
        config = {"_id": name, "members": [{"_id": 0, "host": address}]}
        try:
            self._admin.command("replSetInitiate", config)
        except OperationFailure as error:
            if error.code != ALREADY_INITIALIZED:
                raise

    def is_writable(self) -> bool:
        """Return whether it takes writes."""
        return bool(self._admin.command("hello")["isWritablePrimary"])


def is_open(settings: Settings) -> bool:
    """Return whether our own server lets in whoever asks; raises a driver error without an answer."""
    address = f"mongodb://127.0.0.1:{settings.mongodb_port}/?directConnection=true"
    options = client_options(settings) | {"server_api": None}
    with MongoClient[dict[str, Any]](address, **options) as client:
        try:
            client["admin"].command("listDatabases", nameOnly=True)
        except OperationFailure as error:
            if is_refusal(error):
                return False
            raise
    return True


def write_only_user(port: int, name: str, password: str) -> None:
    """Make this the user of our own server, which asks nobody for a password at the moment."""
    address = f"mongodb://127.0.0.1:{port}/?directConnection=true&retryWrites=false"
    with MongoClient[dict[str, Any]](address) as client:
        admin = client["admin"]
        known = [(user["db"], user["user"]) for user in admin["system.users"].find()]
        verb = "updateUser" if ("admin", name) in known else "createUser"
        durable = {"w": 1, "j": True}
        admin.command(verb, name, pwd=password, roles=["root"], writeConcern=durable)


@contextmanager
def open_server(settings: Settings) -> Iterator[Server]:
    """Open a plain client on the settings' server, and close it at the end."""
    options = client_options(settings) | {"server_api": None}
    with MongoClient[dict[str, Any]](settings.database_url, **options) as client:
        yield Server(client)
