"""What a node does every few seconds besides its sockets: pulses, orders, other nodes, history."""

import asyncio
import logging
from collections import defaultdict
from datetime import datetime, timedelta

from shared.clock import utc_now
from shared.domain.close_codes import CloseCode
from shared.domain.liveness import NodeWatch
from shared.domain.module import ModuleHash
from shared.domain.order import Order, OrderKind
from shared.services.nodes import sweep
from shared.store import DatabaseError
from wsd.connection import ModuleConnection
from wsd.hub import Hub

log = logging.getLogger(__name__)


class PulseFlush:
    """Writes down when the modules' programs last spoke, grouped by the second."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def tick(self) -> bool:
        """Flush whoever spoke since the last flush; a failed flush is repeated by the next."""
        hub, loop = self._hub, asyncio.get_running_loop()
        sessions = [c.session for c in hub.by_session.values() if c.session is not None]
        flushed = [(s, s.spoke_at) for s in sessions if s.spoke_at > s.flushed_at]
        departed, hub.departed = hub.departed, {}
        times = departed | {session.module_hash: spoke_at for session, spoke_at in flushed}
        if not times:
            return False
        started = loop.time()
        try:
            await hub.bridge.run(hub.store.pulses.record, self._by_second(times))
        except DatabaseError:
            hub.departed = departed | hub.departed
            raise
        for session, spoke_at in flushed:
            session.flushed_at = spoke_at
        hub.figures.flush_size = len(times)
        hub.figures.flush_seconds = loop.time() - started
        return False

    def _by_second(self, times: dict[ModuleHash, float]) -> dict[datetime, list[ModuleHash]]:
        """Turn working times into wall times, and group those of the same second."""
        now, wall = self._hub.now(), utc_now()
        spoken: dict[datetime, list[ModuleHash]] = defaultdict(list)
        for module_hash, spoke_at in times.items():
            at = wall - timedelta(seconds=max(0.0, now - spoke_at))
            spoken[at.replace(microsecond=0)].append(module_hash)
        return spoken


class OrderRound:
    """Carries out what others have ordered about this node's sessions."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def tick(self) -> bool:
        """Carry out one poll's share of the orders; the others wait for the next: closing is paced."""
        hub = self._hub
        if hub.node is None:
            return False
        orders = await hub.bridge.run(hub.store.orders.read, hub.node.id)
        share = orders[: hub.settings.closes_per_second]
        done = [order for order in share if self._carry_out(order)]
        if done:
            await hub.bridge.run(hub.store.orders.remove, done)
        return False

    def _carry_out(self, order: Order) -> bool:
        """Return whether the order is done with; a probe's asker removes it after the answer."""
        connection = self._hub.by_session.get(order.session)
        if order.kind is OrderKind.PROBE:
            self._hub.run_in_background(self._answer(order, connection))
            return False
        if connection is None:
            return not self._hub.is_busy_with(order.module_hash)
        connection.end(CloseCode(order.close_code), order.reason, order.reason.value)
        return True

    async def _answer(self, order: Order, connection: ModuleConnection | None) -> None:
        alive = connection is not None and await self._hub.prober.ping(connection)
        await self._hub.bridge.run(self._hub.store.orders.answer, order, alive=alive)


class NodeRound:
    """Watches the other nodes' beats, declares the dead ones dead, and sweeps after them."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._watch = NodeWatch(hub.settings.lease_seconds)

    def forget(self) -> None:
        """Start every observation anew, after a gap of the own."""
        self._watch.forget()

    async def tick(self) -> bool:
        """Look at every node once; True while a dead one's modules are left."""
        hub, loop = self._hub, asyncio.get_running_loop()
        if hub.node is None:
            return False
        try:
            asked_at = loop.time()
            nodes = await hub.bridge.run(hub.store.nodes.all)
            if loop.time() - asked_at > hub.settings.freeze_seconds:
                self._watch.forget()  # frozen meanwhile, maybe with all the others
            own = hub.node.id
            beats = {n.id: n.beat for n in nodes if not n.dead and n.id != own}
            for node, beat in self._watch.observe(beats, hub.now()):
                if await hub.bridge.run(hub.store.nodes.declare_dead, node, beat):
                    log.warning("node %s does not renew its lease: declared dead", node)
            return await hub.bridge.run(sweep, hub.store, utc_now())
        except DatabaseError:
            self._watch.forget()
            raise


class Purge:
    """Deletes the events that are older than they are kept."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._kept = timedelta(days=hub.settings.event_retention_days)

    async def tick(self) -> bool:
        """Delete one slice; True while old events may be left."""
        purged = await self._hub.bridge.run(self._hub.store.events.purge, utc_now() - self._kept)
        return purged > 0
