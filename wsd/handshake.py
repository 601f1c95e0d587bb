"""What happens before a socket is one: refusals with the envelope, and the three pages."""

import ipaddress
import logging
from dataclasses import asdict
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from websockets.http11 import Request, Response

from shared.domain.ids import ModuleHash
from shared.errors import DatabaseUnavailable, InvalidData, NotFound, PlatformError
from shared.store.errors import is_away
from wsd.admission import RESTARTING, Admission
from wsd.connection import Connection
from wsd.hub import Hub
from wsd.lease import LeaseKeeper
from wsd.metrics import Metrics
from wsd.server_protocol import refuse, respond
from wsd.working_clock import WorkingClock

CUT_OFF = "This process cannot reach the database: another one may."

log = logging.getLogger(__name__)


class Handshake:
    """Answers every request that reaches the daemon's port."""

    def __init__(
        self,
        hub: Hub,
        admission: Admission,
        lease: LeaseKeeper,
        metrics: Metrics,
        clock: WorkingClock,
        *,
        lease_seconds: float,
    ) -> None:
        self._hub = hub
        self._admission = admission
        self._lease = lease
        self._metrics = metrics
        self._clock = clock
        self._lease_seconds = lease_seconds

    async def answer(self, connection: Connection, request: Request) -> Response:
        """Admit a module's socket (101), or answer with a page or a refusal."""
        try:
            page = self._find_page(connection, request)
            if page is not None:
                return respond(200, page)
            return await self._admit(connection, request)
        except PlatformError as error:
            return refuse(error)
        except Exception as error:
            if is_away(error):
                return refuse(DatabaseUnavailable())
            log.exception("handshake failed")
            return refuse(PlatformError("Internal error."))

    async def _admit(self, connection: Connection, request: Request) -> Response:
        if self._hub.is_stopping:
            raise DatabaseUnavailable(RESTARTING)
        self._require_lease()
        # Before it replaces a socket: a link to here, opened in a browser, becomes none.
        response = connection.protocol.accept(request)
        if response.status_code != 101:
            problem = connection.protocol.handshake_exc
            raise InvalidData(f"Only WebSocket handshakes are taken here: {problem}.")
        module_hash = _read_hash(request.path)
        await self._admission.admit(connection, module_hash, _peer_of(connection, request))
        return response

    def _require_lease(self) -> None:
        """Refuse what could not be stored, at once: nginx hands it on to another process."""
        age_seconds = self._lease.age_seconds()
        if age_seconds is None or age_seconds > self._lease_seconds:
            raise DatabaseUnavailable(CUT_OFF)

    def _find_page(self, connection: Connection, request: Request) -> Any:
        path, _, _ = request.path.partition("?")
        if path == "/healthz":
            return {"status": "ok"}
        if path == "/readyz":
            self._require_lease()
            return {"status": "ready"}
        if path == "/statz" and _is_direct_and_local(connection, request):
            return self._statistics()
        if path != "/websocket":
            raise NotFound(f"There is nothing at {path[:80]!r}.")
        return None

    def _statistics(self) -> dict[str, Any]:
        node = self._hub.node
        return {
            **asdict(self._metrics),
            "node": node.id if node else None,
            "sessions": len(self._hub.by_session),
            "frozen_seconds": self._clock.frozen_seconds,
            "lease_age_seconds": self._lease.age_seconds(),
        }


def _read_hash(target: str) -> ModuleHash:
    _, _, query = target.partition("?")
    values = parse_qs(query, keep_blank_values=True).get("hash", [])
    if len(values) != 1 or not values[0]:
        raise InvalidData("Give the module's hash exactly once: /websocket?hash=<module_hash>.")
    module_hash = values[0].lower()
    if len(module_hash) != 64 or not set(module_hash) <= set("0123456789abcdef"):
        raise NotFound("No module has this hash: register first.")
    return ModuleHash(module_hash)


def _peer_of(connection: Connection, request: Request) -> str:
    """Return the address that connects: X-Forwarded-For is nginx's when it comes from here."""
    forwarded = request.headers.get("X-Forwarded-For")
    if forwarded and _is_local(connection):
        port = request.headers.get("X-Real-Port", "")
        return f"{forwarded}:{port}" if port else forwarded
    address = connection.remote_address
    return f"{address[0]}:{address[1]}" if address else "unknown"


def _is_direct_and_local(connection: Connection, request: Request) -> bool:
    return "X-Forwarded-For" not in request.headers and _is_local(connection)


def _is_local(connection: Connection) -> bool:
    address = connection.remote_address
    return address is not None and _is_loopback(address[0])


@lru_cache(maxsize=64)
def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback
