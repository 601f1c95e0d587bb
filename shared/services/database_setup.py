"""The database is made ready: a replica set of one where ours is a mongod, indexes and counters."""

import time
import uuid

from shared.errors import DatabaseUnavailable
from shared.settings import Settings
from shared.store import Store, batch_timeout, unavailable_as_platform_error
from shared.store.server import ServerFacts, open_server

# The name that deploy/database.sh starts our mongod with.
REPLICA_SET = "forecast"
PING_SECONDS = 1.5
LOOK_AGAIN_SECONDS = 0.2
# On the empty collections of a first start indexes take milliseconds: who needs longer was killed.
BUILDER_PATIENCE_SECONDS = 3.0
BUILD_SECONDS = 600.0
ELECTION_SECONDS = 30.0


def wait_for_database(store: Store, seconds: float) -> None:
    """Return when the server answers; raises DatabaseUnavailable when it does not in this time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with unavailable_as_platform_error(), batch_timeout(PING_SECONDS):
                store.ping()
            return
        except DatabaseUnavailable:
            if time.monotonic() >= deadline:
                raise
        time.sleep(LOOK_AGAIN_SECONDS)


def initiate_local_server(settings: Settings) -> bool:
    """Make our own mongod a replica set of one; False when it is one, or is not ours to make.

    Nothing else works before that: a member of no set takes neither writes nor change streams.
    """
    if settings.database_server != "mongod":
        return False
    with open_server(settings) as server:
        if not server.needs_initiation():
            return False
        server.initiate_replica_set(REPLICA_SET, f"127.0.0.1:{settings.mongodb_port}")
        deadline = time.monotonic() + ELECTION_SECONDS
        while not server.is_writable():
            if time.monotonic() > deadline:
                raise DatabaseUnavailable("The new replica set has elected no primary.")
            time.sleep(LOOK_AGAIN_SECONDS)
    return True


def describe_server(settings: Settings) -> ServerFacts:
    """Ask the server what it is."""
    with open_server(settings) as server:
        return server.describe()


def prepare_database(store: Store) -> bool:
    """Make sure that every index and counter exists; False when nothing had to be done.

    Indexes whose making was cut off are made anew. Two processes may do this at once.
    """
    builder = uuid.uuid4().hex
    while True:
        unfinished = _wait_for_builder(store)
        if unfinished is None and _is_prepared(store):
            return False
        if not store.indexes.begin(builder, instead_of=unfinished):
            continue
        with batch_timeout(BUILD_SECONDS):
            if unfinished is not None:
                store.indexes.drop_indexes()
            store.indexes.create_indexes()
            store.counters.ensure()
        if store.indexes.finish(builder):
            return True


def _is_prepared(store: Store) -> bool:
    return store.indexes.read_marker().is_current and not store.indexes.missing_indexes()


def _wait_for_builder(store: Store) -> str | None:
    """Give whoever is making the indexes time to finish; return who did not."""
    deadline = time.monotonic() + BUILDER_PATIENCE_SECONDS
    while (builder := store.indexes.read_marker().builder) and time.monotonic() < deadline:
        time.sleep(LOOK_AGAIN_SECONDS)
    return builder
