"""What happens before a socket is one: refusals with the envelope, and the two pages."""

import ipaddress
import logging
from dataclasses import asdict
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Request, Response

from shared.domain.ids import ModuleHash
from shared.errors import (
    DatabaseUnavailable,
    InvalidData,
    NotFound,
    PlatformError,
)
from shared.store.errors import is_away
from wsd.admission import RESTARTING, Admission
from wsd.connection import Connection
from wsd.hub import Hub
from wsd.lease import LeaseKeeper
from wsd.metrics import Metrics
from wsd.working_clock import WorkingClock

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
    ) -> None:
        self._hub = hub
        self._admission = admission
        self._lease = lease
        self._metrics = metrics
        self._clock = clock

    async def process_request(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        """Admit a module's socket (None), or answer with a page or a refusal."""
        assert isinstance(connection, Connection)
        try:
            page = self._find_page(connection, request)
            if page is not None:
                return _respond(connection, HTTPStatus.OK, page)
            if self._hub.is_stopping:
                raise DatabaseUnavailable(RESTARTING)
            _require_websocket(connection, request)
            module_hash = _read_hash(request.path)
            await self._admission.admit(connection, module_hash, _peer_of(connection, request))
        except PlatformError as error:
            return _refuse(connection, error)
        except Exception as error:
            if is_away(error):
                return _refuse(connection, DatabaseUnavailable())
            log.exception("handshake failed")
            return _refuse(connection, PlatformError("Internal error."))
        return None

    def _find_page(self, connection: ServerConnection, request: Request) -> Any:
        path = urlsplit(request.path).path
        if path == "/healthz":
            return {"status": "ok"}
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


def _require_websocket(connection: ServerConnection, request: Request) -> None:
    """Refuse what would end in no socket before it replaces one: a link to here in a browser."""
    try:
        connection.protocol.process_request(request)
    except InvalidHandshake as error:
        raise InvalidData(f"Only WebSocket handshakes are taken here: {error}.") from None


def _read_hash(target: str) -> ModuleHash:
    values = parse_qs(urlsplit(target).query, keep_blank_values=True).get("hash", [])
    if len(values) != 1 or not values[0]:
        raise InvalidData("Give the module's hash exactly once: /websocket?hash=<module_hash>.")
    module_hash = values[0].lower()
    if len(module_hash) != 64 or not set(module_hash) <= set("0123456789abcdef"):
        raise NotFound("No module has this hash: register first.")
    return ModuleHash(module_hash)


def _peer_of(connection: ServerConnection, request: Request) -> str:
    """Return who connects: nginx overwrites X-Forwarded-For, nobody else is believed."""
    forwarded = request.headers.get("X-Forwarded-For")
    if forwarded and _is_local(connection):
        port = request.headers.get("X-Real-Port", "")
        return f"{forwarded}:{port}" if port else forwarded
    address = connection.remote_address
    return f"{address[0]}:{address[1]}" if address else "unknown"


def _is_direct_and_local(connection: ServerConnection, request: Request) -> bool:
    return "X-Forwarded-For" not in request.headers and _is_local(connection)


def _is_local(connection: ServerConnection) -> bool:
    address = connection.remote_address
    return bool(address) and ipaddress.ip_address(address[0]).is_loopback


def _refuse(connection: ServerConnection, error: PlatformError) -> Response:
    response = _respond(connection, error.status, None, code=error.code, message=error.message)
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def _respond(
    connection: ServerConnection,
    status: int,
    result: Any,
    *,
    code: str = "2000",
    message: str = "成功!",
) -> Response:
    body = {"code": code, "message": message, "result": result}
    response = connection.respond(HTTPStatus(status), orjson.dumps(body).decode())
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json; charset=utf-8"
    return response
