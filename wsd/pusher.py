"""Pushes messages: the attempt is recorded first, then the frame is written to the socket."""

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

from shared.clock import utc_now
from shared.domain.delivery import Outgoing, Push, Tried
from shared.domain.ids import ModuleHash, NodeId
from shared.services.delivery import record_attempts, undo_attempts
from wsd.connection import Connection
from wsd.database import Database
from wsd.inbox import Inbox
from wsd.protocol import encode_work
from wsd.work import SessionWork


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """A message whose attempt is being recorded, and the socket that it is for."""

    push: Push
    connection: Connection
    work: SessionWork


@dataclass(frozen=True, kw_only=True)
class Doubtful:
    """Attempts that may have been recorded or not: their batch failed."""

    push: str
    pushes: tuple[Push, ...]


class Pusher:
    """Sends what was chosen; what a failed batch may have recorded is taken back before the next one.

    `on_room` is called for a socket that may be sent another message instead.
    """

    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        on_room: Callable[[Connection], object],
        monotonic: Callable[[], float],
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._on_room = on_room
        self._monotonic = monotonic
        self._doubtful: list[Doubtful] = []

    async def push(self, leaving: Sequence[Leaving], node: NodeId) -> None:
        """Record an attempt of each message, and send what was recorded."""
        push = uuid.uuid4().hex
        pushes = tuple(one.push for one in leaving)
        try:
            recorded = await self._database.run(
                record_attempts, self._database.store, pushes, node, push, utc_now()
            )
        except Exception:
            self._doubtful.append(Doubtful(push=push, pushes=pushes))
            for one in leaving:
                one.work.note_not_sent(one.push.message.id)
            raise
        sent = {one.id: one for one in recorded}
        for one in leaving:
            self._send(one, sent.get(one.push.message.id))

    def _send(self, leaving: Leaving, sent: Outgoing | None) -> None:
        """Write a recorded attempt to its socket, or take it back when the socket is gone."""
        connection, work = leaving.connection, leaving.work
        if leaving.push.is_again and not work.expects_ack_of(leaving.push.message.id):
            self._follow_answer(leaving, sent)
            return
        if sent is None:
            work.note_not_sent(leaving.push.message.id)
            self._on_room(connection)
            return
        tried = Tried(id=sent.id, attempt=sent.attempt)
        if connection.work is not work or not connection.is_open():
            self._inbox.requeue(sent.module_hash, tried)
            return
        work.note_sent(sent.id, sent.attempt, sent.sent_at, self._monotonic())
        connection.send_work(encode_work(sent.id, sent.attempt, sent.content))
        if not work.acks:
            is_owed = leaving.push.message.execution_id is not None
            self._inbox.note_pushed(tried, is_owed=is_owed)

    def _follow_answer(self, leaving: Leaving, sent: Outgoing | None) -> None:
        """Send nothing again that was answered meanwhile; an acknowledgement counts for all tries."""
        one = leaving.work.open.get(leaving.push.message.id)
        if one is not None and sent is not None:
            one.message = replace(one.message, attempt=sent.attempt)
            self._inbox.acknowledge(one.tried)

    async def undo_doubtful(self) -> AsyncIterator[list[ModuleHash]]:
        """Put back what failed batches may have marked; yield whose queues are to be read again."""
        for doubtful in list(self._doubtful):
            await self._database.run(
                undo_attempts, self._database.store, doubtful.pushes, doubtful.push, utc_now()
            )
            self._doubtful.remove(doubtful)
            yield [one.message.module_hash for one in doubtful.pushes]
