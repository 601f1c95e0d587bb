"""Carries out the node commands about this node's sessions."""

import logging
from collections.abc import Callable

from shared.domain.ids import ModuleHash, SessionId
from shared.domain.node_command import CommandKind, NodeCommand
from shared.store.errors import DatabaseError
from wsd.background import Background
from wsd.database import Database
from wsd.hub import Hub
from wsd.takeover_probe import TakeoverProbe

log = logging.getLogger(__name__)


class CommandPoll:
    """Reads this node's commands, closes what they say, and answers probes."""

    def __init__(
        self,
        hub: Hub,
        database: Database,
        probe: TakeoverProbe,
        background: Background,
        *,
        is_changing: Callable[[ModuleHash], bool],
        closes_per_tick: int,
    ) -> None:
        self._hub = hub
        self._database = database
        self._commands = database.store.node_commands
        self._probe = probe
        self._background = background
        self._is_changing = is_changing
        self._closes_per_tick = closes_per_tick

    async def tick(self) -> bool:
        """Carry out one poll's share; the others wait for the next, because closing is paced."""
        if self._hub.node is None:
            return False
        commands = await self._read()
        share = commands[: self._closes_per_tick]
        done = [command for command in share if self._carry_out(command)]
        if done:
            await self._database.run(self._commands.remove, done)
        return False

    async def sessions_to_close(self) -> set[SessionId]:
        """Return the sessions that a command closes which was not carried out yet."""
        commands = await self._read()
        return {command.session for command in commands if command.kind is CommandKind.CLOSE}

    async def _read(self) -> list[NodeCommand]:
        """Read this node's commands, also those to an id under which it was declared dead."""
        ids = (self._hub.node_id, *self._hub.former_ids)
        return await self._database.run(self._commands.read, *ids)

    def _carry_out(self, command: NodeCommand) -> bool:
        """Return whether the command is done; the asking node removes a probe that was answered."""
        if command.kind is CommandKind.PROBE:
            self._background.run(self._answer(command))
            return False
        connection = self._hub.by_session.get(command.session)
        if connection is None:
            return not self._is_changing(command.module_hash)
        connection.ended_by = command.actor
        connection.end(command.closing)
        return True

    async def _answer(self, command: NodeCommand) -> None:
        is_alive = await self._probe.ping(command.session)
        try:
            await self._database.run(self._commands.answer, command, alive=is_alive)
        except DatabaseError as error:
            # The command is still there: the next poll answers it.
            log.warning("a probe was not answered", extra={"error": type(error).__name__})
