"""Which ports the platform needs, and why it cannot have one."""

import errno
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from shared.settings import Settings

LOOPBACK = "127.0.0.1"
# Where the others lie beside SERVER_PORT: as their defaults do.
BESIDE = {"API_PORT": 1, "MONGODB_PORT": 2, "WORKER_PORT": 3, "WSD_PORT": 10}
# Above the ports that only root may open, and with room for those beside it.
LOWEST, HIGHEST = 1024, 65_000
FIRST_PROPOSED, NEXT_PROPOSED = 20_080, 1000


@dataclass(frozen=True, kw_only=True)
class Door:
    """A port that a process of ours listens on, and the settings that move it."""

    name: str
    host: str
    port: int
    host_name: str = ""


def doors(settings: Settings) -> Iterator[Door]:
    """Return every port that the platform needs on this machine."""
    for name, port in (("SERVER_PORT", settings.server_port), ("WEB_PORT", settings.web_port)):
        if name == "SERVER_PORT" or port != settings.server_port:
            yield Door(name=name, host=settings.server_host, port=port, host_name="SERVER_HOST")
    yield Door(name="API_PORT", host=LOOPBACK, port=settings.api_port)
    for index in range(settings.worker_processes):
        yield Door(name="WORKER_PORT", host=LOOPBACK, port=settings.worker_port + index)
    for index in range(settings.wsd_processes):
        port = settings.wsd_port + index
        yield Door(name="WSD_PORT", host=settings.wsd_host, port=port, host_name="WSD_HOST")
    if settings.database_server != "external":
        yield Door(name="MONGODB_PORT", host=LOOPBACK, port=settings.mongodb_port)


def find_obstacles(settings: Settings, ours: Collection[int] = ()) -> list[str]:
    """Return one sentence for each port that cannot be had; `ours` are those of the running platform."""
    wanted = [door for door in doors(settings) if door.port not in ours]
    found = [(door, _ask(door.host, door.port)) for door in wanted]
    problems = [_tell(door, error) for door, error in found if error]
    if any(error and error.errno == errno.EADDRINUSE for _, error in found):
        problems.append(f"All ports at once: ./manage.sh up --port {_propose(settings)}")
    return problems


def _tell(door: Door, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{door.name}: port {door.port} is in use on this machine: set another one in .env"
    if error.errno == errno.EACCES:
        return (
            f"{door.name}: this user has no permission to open port {door.port}: "
            f"take one from {LOWEST} on, or let root start the platform"
        )
    return f"{door.host_name or door.name}: cannot listen on {door.host}: {error.strerror or error}"


def _propose(settings: Settings) -> int:
    """Return a SERVER_PORT at which everything is free."""
    last = max(BESIDE.values()) + settings.wsd_processes
    for first in range(FIRST_PROPOSED, HIGHEST, NEXT_PROPOSED):
        if not any(_ask("", first + place) for place in range(last)):
            return first
    return FIRST_PROPOSED


def _ask(host: str, port: int) -> OSError | None:
    """Open the port as a server does, and close it; return what the system said against it."""
    try:
        passive = socket.AI_PASSIVE
        family, kind, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=passive
        )[0]
        with socket.socket(family, kind) as probe:
            # As servers do: a port that only has connections in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return error
    return None


def place_beside(server_port: int, settings: Settings) -> dict[str, int]:
    """Return the ports that move with SERVER_PORT: those that lie where they would lie beside it.

    A SERVER_PORT that only root may open moves alone: the others are for this machine only.
    """
    if server_port < LOWEST:
        return {}
    values = settings.as_environment()
    return {
        name: server_port + place
        for name, place in BESIDE.items()
        if settings.origins.get(name) == "default"
        or int(values[name]) == settings.server_port + place
    }
