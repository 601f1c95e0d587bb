"""Make the database ready: a replica set of one for our own mongod, indexes and counters."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from shared.errors import DatabaseUnavailable
from shared.settings import PROJECT_DIR, Settings
from shared.store import Store, batch_timeout, unavailable_as_platform_error
from shared.store.checkouts import Checkout
from shared.store.errors import DatabaseError, is_away
from shared.store.indexes import Marker
from shared.store.server import ServerFacts, open_server

# The name that deploy/database.sh starts our mongod with.
REPLICA_SET = "forecast"
PING_SECONDS = 1.5
LOOK_AGAIN_SECONDS = 0.2
# A builder shows progress so often, and was killed when it showed none for so long.
PROGRESS_SECONDS = 1.0
BUILDER_PATIENCE_SECONDS = 6.0
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


def this_checkout(settings: Settings) -> Checkout:
    """Return the checkout that this code is of."""
    return Checkout(host=settings.node_name, path=str(PROJECT_DIR))


def mark_database(store: Store, settings: Settings, now: datetime, *, started_here: bool) -> None:
    """Leave this checkout's mark in the database.

    Our own server keeps the mark of the checkout that started it, and no other one.
    """
    checkout = this_checkout(settings)
    if started_here:
        store.checkouts.forget_others(checkout)
    if started_here or settings.database_server == "external" or not store.checkouts.all():
        store.checkouts.note(checkout, now)


def foreign_checkouts(store: Store, settings: Settings) -> list[Checkout]:
    """Return the other checkouts that left their mark; our own machine may have changed its name."""
    ours = this_checkout(settings)
    if settings.database_server == "external":
        return [other for other in store.checkouts.all() if other != ours]
    return [other for other in store.checkouts.all() if other.path != ours.path]


def describe_server(settings: Settings) -> ServerFacts:
    """Ask the server what it is."""
    with open_server(settings) as server:
        return server.describe()


def prepare_database(store: Store) -> bool:
    """Make sure that every index and counter exists; False when nothing had to be done.

    An index whose making was cut off is made anew. Any number of processes may do this at once: one
    builds, and is replaced when it makes no progress any more.
    """
    builder = uuid.uuid4().hex
    while True:
        marker = _wait_for_builder(store)
        if marker.is_current and not store.indexes.missing_indexes():
            return False
        if store.indexes.begin(builder, marker) and _build(store, builder):
            return True


def _build(store: Store, builder: str) -> bool:
    """Make what is not finished; False when another process took over."""
    with _showing_progress(store, builder), batch_timeout(BUILD_SECONDS):
        for name in store.indexes.unfinished():
            store.indexes.make(name)
            if not store.indexes.note_finished(builder, name):
                return False
        store.counters.ensure()
    return store.indexes.finish(builder)


@contextmanager
def _showing_progress(store: Store, builder: str) -> Iterator[None]:
    """Show that the builder is alive, however long the server takes for one index."""
    is_over = threading.Event()

    def show() -> None:
        while not is_over.wait(PROGRESS_SECONDS):
            try:
                store.indexes.note_progress(builder)
            except DatabaseError:
                continue  # a builder that could not show it for long enough is replaced

    thread = threading.Thread(target=show, name="index progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _wait_for_builder(store: Store) -> Marker:
    """Return the marker when it names no builder, or one that stood still for long enough.

    A look that failed proves nothing: the server may be busy with an index.
    """
    seen, since = None, 0.0
    deadline = time.monotonic() + BUILD_SECONDS
    while True:
        try:
            marker = store.indexes.read_marker()
        except DatabaseError as error:
            if not is_away(error) or time.monotonic() > deadline:
                raise
            seen = None
        else:
            if marker.builder is None:
                return marker
            now = time.monotonic()
            if marker != seen:
                seen, since = marker, now
            elif now >= since + BUILDER_PATIENCE_SECONDS:
                return marker
        time.sleep(LOOK_AGAIN_SECONDS)
