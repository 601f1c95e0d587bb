"""Probes an incumbent with a ping before a takeover that looks like a loop."""

import asyncio
import logging
from dataclasses import dataclass

from shared.clock import utc_now
from shared.domain.ids import ModuleHash, SessionId
from shared.domain.node_command import CommandKind, NodeCommand
from shared.domain.session import Session
from wsd.background import Background
from wsd.database import Database
from wsd.hub import Hub

ANSWER_POLL_SECONDS = 0.25

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ProbeTimes:
    """How long an incumbent has to answer, and how often a node reads its commands."""

    answer_seconds: float
    command_poll_seconds: float


class TakeoverProbe:
    """One question per incumbent at a time, however many newcomers wait for its answer."""

    def __init__(
        self, hub: Hub, database: Database, background: Background, times: ProbeTimes
    ) -> None:
        self._hub = hub
        self._database = database
        self._background = background
        self._times = times
        self._asking: dict[SessionId, asyncio.Task[bool]] = {}

    async def is_answering(self, module_hash: ModuleHash, incumbent: Session) -> bool:
        """Return whether the incumbent's peer answers a protocol ping in time."""
        task = self._asking.get(incumbent.id)
        if task is None:
            task = self._background.run(self._ask(module_hash, incumbent))
            self._asking[incumbent.id] = task
            task.add_done_callback(lambda _: self._asking.pop(incumbent.id, None))
        return await asyncio.shield(task)

    async def ping(self, session: SessionId) -> bool:
        """Return whether a socket of this node exists and answers a ping sent now."""
        connection = self._hub.by_session.get(session)
        return connection is not None and await connection.answers_ping(self._times.answer_seconds)

    async def _ask(self, module_hash: ModuleHash, incumbent: Session) -> bool:
        if incumbent.id in self._hub.by_session or incumbent.node == self._hub.node_id:
            return await self.ping(incumbent.id)
        return await self._ask_other_node(module_hash, incumbent)

    async def _ask_other_node(self, module_hash: ModuleHash, incumbent: Session) -> bool:
        database, commands = self._database, self._database.store.node_commands
        command = NodeCommand(
            session=incumbent.id,
            node=incumbent.node,
            module_hash=module_hash,
            created_at=utc_now(),
            kind=CommandKind.PROBE,
        )
        # A process that was killed may have left an old answer.
        await database.run(commands.remove, [command])
        answer: bool | None = None
        patience_seconds = self._times.answer_seconds + 2 * self._times.command_poll_seconds
        try:
            async with asyncio.timeout(patience_seconds):
                while answer is None:
                    # Another node that asks removes the question when it has its answer.
                    await database.run(commands.insert, [command])
                    await asyncio.sleep(ANSWER_POLL_SECONDS)
                    answer = await database.run(commands.read_answer, command)
        except TimeoutError:
            log.warning("a node did not answer a probe", extra={"node": incumbent.node})
        await database.run(commands.remove, [command])
        return bool(answer)
