"""Polls for what was addressed to this node lately: the change stream may miss something, or be closed."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from shared.clock import utc_now
from shared.domain.ids import NodeId
from shared.domain.message import Message
from shared.store import batch_timeout
from wsd.database import Database

# While there is no stream, the polls come this often, and take at most this part of the time.
OFTEN_SECONDS = 0.3
POLL_FACTOR = 5
# A sender stores a message a moment after it has read the clock, which may be another machine's.
OFTEN_LATELY = timedelta(seconds=0.5)
LATELY = timedelta(seconds=5)
LATELY_BY_ANY_CLOCK = timedelta(seconds=60)
WIDE_POLL_SECONDS = 10.0


class QueuePoll:
    """Finds by time what the change stream tells at once; the same message may be found again."""

    def __init__(
        self, database: Database, poll_seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self._database = database
        self._poll_seconds = poll_seconds
        self._monotonic = monotonic
        self.comes_often: Callable[[], bool] = lambda: False
        self._polled_at = self._widely_polled_at = self._often_polled_at = float("-inf")
        self._often_seconds = OFTEN_SECONDS
        self._asked_at: datetime | None = None

    def poll_soon(self) -> None:
        """Poll at the next look: the stream may have missed something."""
        self._polled_at = float("-inf")

    def seconds_left(self, now: float) -> float | None:
        """Return how long the next poll has time while they come often; None while they do not."""
        if not self.comes_often():
            return None
        return max(0.0, self._often_polled_at + self._often_seconds - now)

    async def read(self, nodes: Sequence[NodeId], now: float) -> list[Message]:
        """Return what is queued and was addressed to these node ids lately, if a poll is due."""
        if now >= self._widely_polled_at + WIDE_POLL_SECONDS:
            self._widely_polled_at = self._polled_at = now
            margin = LATELY_BY_ANY_CLOCK
        elif now >= self._polled_at + self._poll_seconds:
            self._polled_at, margin = now, LATELY
        elif self.seconds_left(now) == 0:
            margin = OFTEN_LATELY
        else:
            return []
        return await self._read(nodes, margin)

    async def _read(self, nodes: Sequence[NodeId], margin: timedelta) -> list[Message]:
        asked_at, started = utc_now(), self._monotonic()
        since = min(self._asked_at or asked_at, asked_at) - margin

        def read() -> list[Message]:
            with batch_timeout():
                queued_lately = self._database.store.deliveries.queued_lately
                return [message for node in nodes for message in queued_lately(node, since)]

        found = await self._database.run(read)
        self._asked_at, self._often_polled_at = asked_at, self._monotonic()
        took = self._often_polled_at - started
        self._often_seconds = max(OFTEN_SECONDS, POLL_FACTOR * took)
        return found
