"""Has modules give up what an operator cancelled, and ends it when they do not in time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.clock import utc_now
from shared.domain.ids import MessageId, NodeId, SessionId
from shared.domain.message import CANCEL_LIFE, CANCEL_SECONDS, Message
from shared.domain.result import end_of_cancelled
from wsd.connection import Connection
from wsd.database import Database
from wsd.hub import Hub
from wsd.inbox import Inbox
from wsd.protocol import encode_cancel

# An operator's clock may be ahead of this one.
ANY_CLOCK = timedelta(seconds=5)
# While this process has sent nothing that is still open, it looks less often. A look reads all that
# is over soon: it takes a small part of the time, however much that is.
IDLE_SECONDS = 10.0
BUSY_FACTOR = 50


@dataclass(slots=True)
class Cancel:
    """A message that is being cancelled: when the platform ends it, and which session was told."""

    end_at: float
    told: SessionId | None = None


class Cancels:
    """What an operator cancelled of the work that modules of this node have, or were sent by it."""

    def __init__(
        self, hub: Hub, database: Database, inbox: Inbox, monotonic: Callable[[], float]
    ) -> None:
        self._hub = hub
        self._database = database
        self._inbox = inbox
        self._monotonic = monotonic
        self._cancels: dict[MessageId, Cancel] = {}
        self._looked_at, self._took_seconds = float("-inf"), 0.0
        self._gap_at = float("-inf")  # when news may have been missed

    def hear_news(self) -> None:
        """Look with the next tick: something was cancelled."""
        self._looked_at = float("-inf")

    def note_gap(self) -> None:
        """Look before long: something may have been cancelled while the stream was closed."""
        self._gap_at = self._monotonic()

    async def tick(self, nodes: Sequence[NodeId]) -> None:
        """Look for cancelled messages; tell their modules, or end them."""
        now = self._monotonic()
        if now < self._looked_at + self._pause_seconds():
            return
        read = self._database.store.deliveries.to_be_cancelled
        found = await self._database.run(read, utc_now() + CANCEL_LIFE + ANY_CLOCK)
        # Its module may have come back here from another node, which is told of its work then.
        found = [m for m in found if m.module_hash in self._hub.by_module or m.node in nodes]
        self._looked_at, self._took_seconds = now, self._monotonic() - now
        known = self._cancels
        self._cancels = {
            m.id: known.get(m.id) or Cancel(end_at=now + CANCEL_SECONDS) for m in found
        }
        for message in found:
            self._go_on(message, self._cancels[message.id], now)

    def _pause_seconds(self) -> float:
        # As it is now: the stream, which tells of cancels at once, may rest since work was pushed.
        is_busy = any(c.work and c.work.open for c in self._hub.by_module.values())
        may_miss = is_busy or self._gap_at >= self._looked_at
        return BUSY_FACTOR * self._took_seconds if may_miss else IDLE_SECONDS

    def _go_on(self, message: Message, cancel: Cancel, now: float) -> None:
        connection = self._hub.by_module.get(message.module_hash)
        if connection is not None and connection.work is not None:
            connection.work.note_cancelled(message.id)
        if now >= cancel.end_at:
            if connection is not None and connection.work is not None:
                connection.work.end(message.id)
            self._inbox.end(end_of_cancelled(message, utc_now()))
        elif connection is not None:
            _tell(connection, message, cancel)


def _tell(connection: Connection, message: Message, cancel: Cancel) -> None:
    """Tell a client that said hello, once in its session."""
    session, work = connection.session, connection.work
    if session is None or work is None or not work.said_hello:
        return
    if cancel.told != session.session_id:
        cancel.told = session.session_id
        connection.send_now(encode_cancel(message.id))
