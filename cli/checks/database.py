"""What doctor asks the database: the server, its clock, the indexes, the nodes' leases."""

from collections import defaultdict
from datetime import datetime, timedelta

from click import ClickException

from cli.checks.check import Check, Status, fail, ok, warn
from cli.context import DatabaseDown, Platform, address_of
from cli.render import format_age
from shared.clock import utc_now
from shared.domain.event import CLOCK_DISTRUSTED, CLOCK_TRUSTED, Subject, worker_subject
from shared.domain.node import HOST_CLOCK_TOLERANCE, Node
from shared.services.database_setup import describe_server, foreign_checkouts
from shared.settings import PASSWORD_FILE, PROJECT_DIR, Settings
from shared.store import Store
from shared.store.server import ServerFacts, is_open

OLDEST_MONGODB = 6
SCHEDULES_BEHIND = timedelta(seconds=30)
ACCESS = "database access"
UP = "start it: ./manage.sh up"


def check_database(platform: Platform) -> list[Check]:
    """Look at everything that the database can tell; one failed line when it does not answer."""
    settings = platform.settings
    kind, address = settings.database_server, address_of(settings.database_url)
    try:
        with platform.open_store() as store:
            before = utc_now()
            facts, after = describe_server(settings), utc_now()
            return [
                _check_server(facts, f"{kind} {facts.product} {facts.version} at {address}"),
                *_check_access(settings),
                _check_mark(store, settings),
                _check_clock(facts.local_time, before, after),
                *_check_trust_of_all(store, settings),
                _check_indexes(store),
                _check_schedules(store, utc_now()),
                *_check_nodes(store.nodes.all(), utc_now()),
            ]
    except DatabaseDown:
        advice = UP if kind != "external" else "check that it runs, and MONGODB_HOST in .env"
        return [fail("database", f"{kind} server at {address} does not answer", advice)]
    except ClickException as error:
        return [fail("database", error.message, "see MONGODB_HOST and MONGODB_PORT in .env")]


def _check_server(facts: ServerFacts, found: str) -> Check:
    if not facts.is_writable:
        return fail("database", f"{found} takes no writes", "name a primary in MONGODB_HOST")
    if facts.product == "MongoDB" and int(facts.version.partition(".")[0]) < OLDEST_MONGODB:
        return fail("database", found, f"install MongoDB {OLDEST_MONGODB} or later")
    if facts.is_sharded:
        return ok("database", f"{found}, sharded")
    if facts.replica_set is None:
        return warn("database", f"{found}, a lone server", "make it a replica set")
    return ok("database", f"{found}, replica set {facts.replica_set}")


def _check_access(settings: Settings) -> list[Check]:
    """Look whether our own server lets in whoever asks, by asking without a password."""
    if settings.database_server == "external":
        return []
    path = settings.var_dir / PASSWORD_FILE
    if is_open(settings):
        found = "no password: every user of this machine can read and change everything"
        return [warn(ACCESS, found, "./manage.sh restart makes one")]
    if not path.exists():
        return []  # the server is another one's, and says so at the next question
    if path.stat().st_mode & 0o077:
        return [warn(ACCESS, f"others can read {path}", f"chmod 600 {path}")]
    return [ok(ACCESS, f"by password; only {path.owner()} can read {path}")]


def _check_mark(store: Store, settings: Settings) -> Check:
    """Look whose database it is: several checkouts may share an external one, no other."""
    others = ", ".join(map(str, foreign_checkouts(store, settings)))
    if not others:
        return ok("checkout", f"the database is that of {PROJECT_DIR}")
    if settings.database_server == "external":
        return ok("checkout", f"the database is also that of {others}")
    advice = "set MONGODB_PORT in .env to a port of this checkout's own"
    return fail("checkout", f"the database belongs to {others}, not to {PROJECT_DIR}", advice)


def _check_clock(theirs: datetime, before: datetime, after: datetime) -> Check:
    """Compare with the moment between question and answer."""
    difference = theirs - (before + (after - before) / 2)
    seconds = difference.total_seconds()
    found = f"{seconds:+.1f} s between the database's machine and this one"
    if abs(difference) > HOST_CLOCK_TOLERANCE:
        return fail("clock", found, "set both by NTP: leases are judged by these clocks")
    if abs(difference) > HOST_CLOCK_TOLERANCE / 2:
        return warn("clock", found, "set both by NTP before leases are misjudged")
    return ok("clock", found)


def _check_trust_of_all(store: Store, settings: Settings) -> list[Check]:
    """Look what the workers think of the clock; all that trust it are one line."""
    ports = range(settings.worker_port, settings.worker_port + settings.worker_processes)
    checks = [_check_trust(store, worker_subject(settings.node_name, port)) for port in ports]
    return [check for check in checks if check.status is not Status.OK] or checks[:1]


def _check_trust(store: Store, worker: Subject) -> Check:
    """Look what a worker told last about this machine's clock."""
    clock = (CLOCK_DISTRUSTED, CLOCK_TRUSTED)
    changes = [event for event in store.events.find(subject=worker) if event.what in clock]
    if not changes:
        return ok("trusted clock", "it never jumped")
    last = changes[-1]
    if last.what != CLOCK_DISTRUSTED:
        return ok("trusted clock", f"trusted since {last.at:%Y-%m-%d %H:%M:%S} UTC")
    off_by = timedelta(seconds=float(last.detail.get("seconds", 0)))
    found = f"off by {format_age(abs(off_by))} since {last.at:%Y-%m-%d %H:%M:%S} UTC"
    advice = "set it by NTP; if it is right now: ./manage.sh restart worker"
    return warn("trusted clock", f"{found} ({last.reason}): nothing is purged", advice)


def _check_indexes(store: Store) -> Check:
    missing = store.indexes.missing_indexes()
    advice = "run: platformctl init-db"
    if missing:
        return fail("indexes", f"missing: {', '.join(missing)}", advice)
    if not store.indexes.read_marker().is_current:
        return fail("indexes", "their making was cut off", advice)
    return ok("indexes", "all present")


def _check_schedules(store: Store, now: datetime) -> Check:
    """Look whether a workflow is due for longer than a worker takes to fire it."""
    oldest = store.due_workflows.due_soon(now)
    if oldest is None or now - oldest < SCHEDULES_BEHIND:
        return ok("schedules", "none is behind")
    found = f"a workflow is due for {format_age(now - oldest)}"
    return fail("schedules", found, "see the workers: ./manage.sh status, ./manage.sh logs")


def _check_nodes(nodes: list[Node], now: datetime) -> list[Check]:
    if not nodes:
        return [fail("node", "no node has a lease", UP)]
    return [*(_check_node(node, now) for node in nodes), *_check_names(nodes, now)]


def _check_names(nodes: list[Node], now: datetime) -> list[Check]:
    """Warn about living nodes of several machines under one NODE_NAME; dead nodes do not count."""
    machines = defaultdict(set)
    for node in nodes:
        if node.is_alive(now):
            machines[node.host].add(node.machine)
    advice = "give every machine a NODE_NAME of its own in .env"
    return [
        warn(
            f"node {host}", f"{len(ids)} machines have this name: {', '.join(sorted(ids))}", advice
        )
        for host, ids in machines.items()
        if len(ids) > 1
    ]


def _check_node(node: Node, now: datetime) -> Check:
    name = f"node {node.id}"
    if node.dead:
        return warn(name, "declared dead", "nothing, if it disappears within a minute")
    if not node.is_alive(now):
        silent = format_age(now - node.lease_until)
        return warn(name, f"lease ran out {silent} ago", "see its log: ./manage.sh logs")
    left = format_age(max(node.lease_until - now, timedelta(0)))
    up = format_age(now - node.started_at)
    return ok(name, f"lease good for {left} more, up {up}, {node.sessions} modules")
