"""Watches the other nodes' leases, declares dead nodes dead, and sweeps their modules offline."""

import logging
import time

from shared.clock import utc_now
from shared.domain.node import NodeWatch
from shared.services.nodes import declare_node_dead, sweep
from shared.store.errors import DatabaseError
from wsd.database import Database
from wsd.hub import Hub
from wsd.working_clock import WorkingClock

log = logging.getLogger(__name__)


class NodeMonitor:
    """Judges the other nodes by what this process itself saw of their renewals."""

    def __init__(
        self,
        hub: Hub,
        database: Database,
        clock: WorkingClock,
        *,
        lease_seconds: float,
        freeze_seconds: float,
    ) -> None:
        self._hub = hub
        self._database = database
        self._clock = clock
        self._freeze_seconds = freeze_seconds
        self._watch = NodeWatch(lease_seconds)

    def forget(self) -> None:
        """Start every observation anew, after a gap of the own."""
        self._watch.forget()

    async def tick(self) -> bool:
        """Look at every node once; True while modules of a dead one are left."""
        if self._hub.node is None:
            return False
        try:
            if not await self._find_dead():
                return False
            return await self._database.run(sweep, self._database.store, utc_now())
        except DatabaseError:
            self._watch.forget()
            raise

    async def _find_dead(self) -> bool:
        """Declare dead what stood still for a lease; return whether a dead node is left to sweep."""
        store, own = self._database.store, self._hub.node_id
        asked_at = time.monotonic()
        nodes = await self._database.run(store.nodes.all)
        if time.monotonic() - asked_at > self._freeze_seconds:
            self._watch.forget()  # frozen meanwhile, perhaps with all the others
        others = {n.id: n for n in nodes if not n.dead and n.id != own}
        renewals = {node.id: node.renewals for node in others.values()}
        is_any_dead = any(node.dead for node in nodes)
        for node_id, _ in self._watch.observe(renewals, self._clock.now()):
            if await self._database.run(declare_node_dead, store, others[node_id], utc_now()):
                is_any_dead = True
                fields = {"node": node_id}
                log.warning("a node does not renew its lease: declared dead", extra=fields)
        return is_any_dead
