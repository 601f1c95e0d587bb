"""Asks an incumbent for a sign of life before a takeover that looks like a loop."""

import asyncio
import logging
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed

from shared.clock import utc_now
from shared.domain.module import ModuleHash, Session, SessionId
from shared.domain.order import Order, OrderKind

if TYPE_CHECKING:
    from wsd.connection import ModuleConnection
    from wsd.hub import Hub

ANSWER_POLL_SECONDS = 0.25

log = logging.getLogger(__name__)


class Prober:
    """One question per incumbent at a time, however many newcomers wait for its answer."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._asking: dict[SessionId, asyncio.Task[bool]] = {}

    async def is_answering(self, module_hash: ModuleHash, incumbent: Session) -> bool:
        """Return whether the incumbent's peer answers a protocol ping in time."""
        task = self._asking.get(incumbent.id)
        if task is None:
            task = self._hub.run_in_background(self._ask(module_hash, incumbent))
            self._asking[incumbent.id] = task
            task.add_done_callback(lambda _: self._asking.pop(incumbent.id, None))
        return await asyncio.shield(task)

    async def _ask(self, module_hash: ModuleHash, incumbent: Session) -> bool:
        connection = self._hub.by_session.get(incumbent.id)
        if connection is not None:
            return await self.ping(connection)
        if incumbent.node == self._hub.node_id:
            return False
        return await self._ask_other_node(module_hash, incumbent)

    async def ping(self, connection: "ModuleConnection") -> bool:
        """Return whether a socket of this node answers a ping sent now."""
        try:
            async with asyncio.timeout(self._hub.settings.takeover_probe_seconds):
                await (await connection.ping())
        except (TimeoutError, ConnectionClosed):
            return False
        return True

    async def _ask_other_node(self, module_hash: ModuleHash, incumbent: Session) -> bool:
        orders, settings = self._hub.store.orders, self._hub.settings
        order = Order(
            session=incumbent.id,
            node=incumbent.node,
            module_hash=module_hash,
            created_at=utc_now(),
            kind=OrderKind.PROBE,
        )
        # An asker that died may have left an answer, which is old news.
        await self._hub.bridge.run(orders.remove, [order])
        answer: bool | None = None
        try:
            async with asyncio.timeout(
                settings.takeover_probe_seconds + 2 * settings.orders_poll_seconds
            ):
                while answer is None:
                    # Whoever else asks removes the question when it has its answer.
                    await self._hub.bridge.run(orders.give, [order])
                    await asyncio.sleep(ANSWER_POLL_SECONDS)
                    answer = await self._hub.bridge.run(orders.read_answer, order)
        except TimeoutError:
            log.warning("node %s did not answer a probe", incumbent.node)
        await self._hub.bridge.run(orders.remove, [order])
        return bool(answer)
