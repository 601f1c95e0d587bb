"""The sockets that this process holds, by module and by session."""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from shared.clock import utc_now
from shared.domain.closing import REPLACED, OfflineReason
from shared.domain.ids import ModuleHash, NodeId, SessionId
from shared.domain.node import Node
from shared.domain.session import SessionEnd
from shared.errors import DatabaseUnavailable
from shared.services.sessions import NodeView
from wsd.connection import Connection

log = logging.getLogger(__name__)


class Hub:
    """The held sockets, and the node that holds them.

    `on_session_start` and `on_session_end` are called after a socket was taken in or let go.
    """

    def __init__(self, takeover_window_seconds: float) -> None:
        self._takeover_window = timedelta(seconds=takeover_window_seconds)
        self.node: Node | None = None
        self.former_ids: list[NodeId] = []
        self.is_stopping = False
        self.by_module: dict[ModuleHash, Connection] = {}
        self.by_session: dict[SessionId, Connection] = {}
        self.on_session_start: list[Callable[[Connection], object]] = []
        self.on_session_end: list[Callable[[Connection, SessionEnd], object]] = []

    @property
    def node_id(self) -> NodeId:
        """Return the node's id; raises DatabaseUnavailable before it could enrol."""
        if self.node is None:
            raise DatabaseUnavailable
        return self.node.id

    def become(self, node: Node) -> None:
        """Take the id under which the process enrolled, now or anew."""
        if self.node is not None:
            self.former_ids.append(self.node.id)
        self.node = node

    def view(self) -> NodeView:
        """Return what this node knows that the database does not."""
        return NodeView(
            node=self.node_id,
            holds=self.by_session.__contains__,
            takeover_window=self._takeover_window,
        )

    def hold(self, connection: Connection) -> None:
        """Take in a socket whose claim succeeded, and close the one that it replaces."""
        session = connection.session
        assert session is not None
        incumbent = self.by_module.get(session.module_hash)
        if incumbent is not None:
            incumbent.end(REPLACED)
        self.by_module[session.module_hash] = connection
        self.by_session[session.session_id] = connection
        log.info("a session started", extra=_fields(connection))
        for call in self.on_session_start:
            call(connection)
        if connection.is_lost or self.is_stopping:
            self.release(connection, OfflineReason.CONNECTION_LOST)

    def release(
        self,
        connection: Connection,
        reason: OfflineReason,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Let go of a socket and end its session; does nothing when it was let go before."""
        session = connection.session
        if session is None or self.by_session.pop(session.session_id, None) is None:
            return
        if self.by_module.get(session.module_hash) is connection:
            del self.by_module[session.module_hash]
        fields = _fields(connection) | {"reason": reason.value, "detail": dict(detail or {})}
        log.info("a session ended", extra=fields)
        end = end_of(connection, reason, detail)
        for call in self.on_session_end:
            call(connection, end)


def end_of(
    connection: Connection, reason: OfflineReason, detail: Mapping[str, Any] | None = None
) -> SessionEnd:
    """Return the end of a socket's session, now."""
    session = connection.session
    assert session is not None
    return SessionEnd(
        module_hash=session.module_hash,
        session_id=session.session_id,
        epoch=connection.epoch,
        reason=reason,
        at=utc_now(),
        peer=session.peer,
        actor=connection.ended_by,
        detail=detail or {},
    )


def _fields(connection: Connection) -> dict[str, Any]:
    session = connection.session
    assert session is not None
    return {
        "session": session.session_id,
        "module_hash": session.module_hash,
        "epoch": connection.epoch,
        "peer": session.peer,
    }
