"""Finds what another process ended, or took back, of the work that sessions of this node hold."""

from collections.abc import Callable, Iterable
from itertools import islice

from shared.domain.ids import MessageId
from shared.domain.message import MessageStatus
from shared.store import batch_timeout
from wsd.connection import Connection
from wsd.database import Database

# A push waits no longer than it takes to look these up.
CHECKED_AT_ONCE = 200
# A round over everything held takes at most this part of the time, however much that is.
ROUND_FACTOR = 20


class Ends:
    """What was given up, cancelled or put back elsewhere: it keeps its place in no session.

    The change stream names it at once. What must be over by now is looked up soon, and everything
    that is held now and then.
    """

    def __init__(
        self, database: Database, round_seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self._database = database
        self._round_seconds = round_seconds
        self._monotonic = monotonic
        self._round_at = float("-inf")
        self._reading_seconds = 0.0  # since the last round
        self._heard: set[MessageId] = set()
        self._unchecked: dict[MessageId, Connection] = {}

    @property
    def has_more(self) -> bool:
        """Return whether there is something left to look at."""
        return bool(self._heard or self._unchecked)

    def hear(self, message_id: MessageId) -> None:
        """Learn from the change stream that a message has ended, maybe one that is held here."""
        self._heard.add(message_id)

    def look_over(self, working: Iterable[Connection], now: float) -> None:
        """Note what is to be looked up: what must be over, and all of it when a round is due."""
        pause = max(self._round_seconds, ROUND_FACTOR * self._reading_seconds)
        if is_round := now >= self._round_at + pause:
            self._round_at, self._reading_seconds = now, 0.0
        for connection in working:
            if (work := connection.work) is not None:
                ids = work.held() if is_round else work.to_be_checked(now)
                self._unchecked.update(dict.fromkeys(ids, connection))

    async def tick(self, working: Iterable[Connection]) -> list[Connection]:
        """Forget some of what has ended; return the sockets that may be sent more therefore."""
        freed = self._forget_heard(working) if self._heard else []
        if self._unchecked:
            freed += await self._check()
        return freed

    def _forget_heard(self, working: Iterable[Connection]) -> list[Connection]:
        heard, self._heard = self._heard, set()
        found = [(c, c.work.held_among(heard)) for c in working if c.work is not None]
        return [c for c, ids in found for message_id in ids if _forget(c, message_id)]

    async def _check(self) -> list[Connection]:
        some = dict(islice(self._unchecked.items(), CHECKED_AT_ONCE))
        read = self._database.store.deliveries.statuses

        def read_statuses() -> dict[MessageId, MessageStatus]:
            with batch_timeout():
                return read(some)

        started = self._monotonic()
        statuses = await self._database.run(read_statuses)
        self._reading_seconds += self._monotonic() - started
        for message_id in some:
            self._unchecked.pop(message_id, None)
        return [
            connection
            for message_id, connection in some.items()
            if _forget(connection, message_id, statuses.get(message_id))
        ]


def _forget(
    connection: Connection, message_id: MessageId, status: MessageStatus | None = None
) -> bool:
    """Forget a message unless its status is what the session takes it for; False if it is so."""
    return connection.work is not None and connection.work.forget(message_id, status)
