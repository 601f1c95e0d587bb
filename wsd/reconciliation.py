"""Compares the sockets held with the database, and heals the list both ways."""

from itertools import islice

from shared.clock import utc_now
from shared.domain.close_codes import CloseCode
from shared.domain.module import ModuleHash, OfflineReason, SessionId
from shared.domain.order import OrderKind
from shared.domain.session import SessionEnd, SessionRecord
from wsd.connection import ModuleConnection
from wsd.hub import Hub
from wsd.rounds import OrderRound

SETTLE_SLICE = 500


class Reconciliation:
    """Compares the sockets held with the database, and heals the list both ways."""

    def __init__(self, hub: Hub, orders: OrderRound) -> None:
        self._hub = hub
        self._orders = orders

    async def tick(self) -> bool:
        """Make one full round."""
        hub = self._hub
        if hub.node is None:
            return False
        await self._orders.tick()  # an order says why a session is over; a look cannot
        held = {h: c for h, c in hub.by_module.items() if c.is_open()}
        stored = await hub.bridge.run(hub.store.modules.sessions_of, hub.node.id)
        known = set()
        for record in stored:
            connection = hub.by_module.get(record.module_hash)
            session = record.session
            assert session is not None
            if connection is not None and _is_of(connection, session.id):
                known.add(record.module_hash)
                connection.note_epoch(record.epoch)
                if not record.enabled:
                    connection.end(CloseCode.DISABLED, OfflineReason.DISABLED, "disabled")
            elif connection is None and not hub.is_busy_with(record.module_hash):
                hub.writer.end(_end_of(record))
        doubtful = [module_hash for module_hash in held if module_hash not in known]
        await self._settle(doubtful)
        return False

    async def _settle(self, doubtful: list[ModuleHash]) -> None:
        """Look again at the sockets that the database did not name as this node's."""
        hub = self._hub
        hashes = iter(doubtful)
        while part := list(islice(hashes, SETTLE_SLICE)):
            records = await hub.bridge.run(hub.store.modules.read_sessions, part)
            # An order is given before its session ends. So whoever is found ended without one, read
            # afterwards, was not ordered closed; the others wait for their turn in the orders' pace.
            ordered = await self._ordered_sessions()
            for module_hash in part:
                connection = hub.by_module.get(module_hash)
                # What is just being claimed is settled by that claim, or by the next round.
                if connection is None or hub.is_busy_with(module_hash):
                    continue
                session = connection.session
                if connection.is_open() and session and session.session_id not in ordered:
                    self._settle_one(connection, records.get(module_hash))

    async def _ordered_sessions(self) -> set[SessionId]:
        orders = await self._hub.bridge.run(self._hub.store.orders.read, self._hub.node_id)
        return {order.session for order in orders if order.kind is OrderKind.CLOSE}

    def _settle_one(self, connection: ModuleConnection, record: SessionRecord | None) -> None:
        hub, session = self._hub, connection.session
        assert session is not None
        if record is None:
            connection.end(
                CloseCode.UNKNOWN_MODULE, OfflineReason.CONNECTION_LOST, "register again"
            )
        elif record.session is not None and _is_of(connection, record.session.id):
            connection.note_epoch(record.epoch)
            if record.session.node != hub.node_id:
                hub.run_in_background(hub.bind_again(connection))
        elif not record.enabled:
            connection.end(CloseCode.DISABLED, OfflineReason.DISABLED, "disabled")
        elif record.epoch > connection.epoch and record.session is not None:
            connection.end(CloseCode.REPLACED, OfflineReason.REPLACED, "a newer session took over")
        elif hub.now() - session.spoke_at <= hub.settings.websocket_ping_interval_seconds:
            # Also over a later session that is gone again: nobody holds one, and this socket speaks.
            connection.note_epoch(record.epoch)
            hub.run_in_background(hub.bind_again(connection))


def _is_of(connection: ModuleConnection, session_id: SessionId) -> bool:
    return connection.session is not None and connection.session.session_id == session_id


def _end_of(record: SessionRecord) -> SessionEnd:
    assert record.session is not None
    return SessionEnd(
        module_hash=record.module_hash,
        session_id=record.session.id,
        epoch=record.epoch,
        reason=OfflineReason.CONNECTION_LOST,
        at=utc_now(),
        peer=record.session.peer,
    )
