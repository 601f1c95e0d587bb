"""Compares the sockets held with the database, and heals the list both ways."""

from itertools import islice

from shared.clock import utc_now
from shared.domain.closing import DISABLED, REPLACED, UNKNOWN_MODULE, OfflineReason
from shared.domain.disabling import closing_of
from shared.domain.ids import ModuleHash, SessionId
from shared.domain.session import SessionEnd, SessionRecord, StoredSession
from wsd.admission import Admission
from wsd.background import Background
from wsd.connection import Connection
from wsd.database import Database
from wsd.hub import Hub
from wsd.loops.command_poll import CommandPoll
from wsd.session_writer import SessionWriter
from wsd.working_clock import WorkingClock

READ_AT_ONCE = 500


class Reconciler:
    """Ends sessions without a socket, and rebinds or closes sockets without a session."""

    def __init__(
        self,
        hub: Hub,
        database: Database,
        admission: Admission,
        writer: SessionWriter,
        commands: CommandPoll,
        clock: WorkingClock,
        background: Background,
        *,
        interval_seconds: float,
    ) -> None:
        self._hub = hub
        self._database = database
        self._admission = admission
        self._writer = writer
        self._commands = commands
        self._clock = clock
        self._background = background
        self._interval_seconds = interval_seconds

    async def tick(self) -> bool:
        """Make one full round."""
        if self._hub.node is None:
            return False
        await self._commands.tick()  # a command says why a session is over; a look cannot
        held = {h: c for h, c in self._hub.by_module.items() if c.is_open()}
        sessions = self._database.store.sessions
        stored = await self._database.run(sessions.stored_for, self._hub.node_id)
        known = {one.module_hash for one in stored if self._compare(one)}
        await self._settle([module_hash for module_hash in held if module_hash not in known])
        return False

    def _compare(self, stored: StoredSession) -> bool:
        """Return whether a stored session of this node has its socket here; end it if not."""
        connection = self._hub.by_module.get(stored.module_hash)
        if connection is not None and _is_of(connection, stored.session_id):
            connection.note_epoch(stored.epoch)
            if not stored.enabled:
                connection.end(DISABLED)
            return True
        if connection is None and not self._admission.is_changing(stored.module_hash):
            self._writer.end(_end_of(stored))
        return False

    async def _settle(self, unmatched: list[ModuleHash]) -> None:
        """Look again at the sockets that the database did not name as this node's."""
        hashes = iter(unmatched)
        while part := list(islice(hashes, READ_AT_ONCE)):
            records = await self._database.run(self._database.store.sessions.read, part)
            # A command is written before its session ends. So a session that ended, and that no
            # command read afterwards names, was not closed by one; the others wait for their turn.
            commanded = await self._commands.sessions_to_close()
            for module_hash in part:
                connection = self._hub.by_module.get(module_hash)
                # What is being claimed now is settled by that claim, or by the next round.
                if connection is None or self._admission.is_changing(module_hash):
                    continue
                session = connection.session
                if connection.is_open() and session and session.session_id not in commanded:
                    self._settle_one(connection, records.get(module_hash))

    def _settle_one(self, connection: Connection, record: SessionRecord | None) -> None:
        if record is None:
            connection.end(UNKNOWN_MODULE)
        elif record.session is not None and _is_of(connection, record.session.id):
            connection.note_epoch(record.epoch)
            if record.session.node != self._hub.node_id:
                self._background.run(self._admission.rebind(connection))
        elif not record.enabled:
            connection.end(closing_of(record.disabling))
        elif record.epoch > connection.epoch and record.session is not None:
            connection.end(REPLACED)
        elif self._sent_heartbeat_lately(connection):
            # Also over a later session that is gone again: its socket is gone, this one works.
            connection.note_epoch(record.epoch)
            self._background.run(self._admission.rebind(connection))

    def _sent_heartbeat_lately(self, connection: Connection) -> bool:
        assert connection.session is not None
        silent_seconds = self._clock.now() - connection.session.last_heartbeat_at
        return silent_seconds <= self._interval_seconds


def _is_of(connection: Connection, session_id: SessionId) -> bool:
    return connection.session is not None and connection.session.session_id == session_id


def _end_of(stored: StoredSession) -> SessionEnd:
    """Return the end of a session whose start may have been written by a batch that failed."""
    return SessionEnd(
        module_hash=stored.module_hash,
        session_id=stored.session_id,
        epoch=stored.epoch,
        reason=OfflineReason.CONNECTION_LOST,
        at=utc_now(),
        peer=stored.peer,
        is_doubtful=True,
    )
