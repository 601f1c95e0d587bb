"""Pushes what waits for the modules whose sockets this process holds: write ahead, then push."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from typing import ParamSpec

from shared.clock import utc_now
from shared.domain.delivery import Push
from shared.domain.ids import MessageId, ModuleHash, NodeId
from shared.domain.message import ATTEMPTS_IN_ALL, EndReason, Message
from shared.domain.result import ResultStatus, end_of_message
from shared.domain.session import SessionEnd
from shared.store import batch_timeout
from shared.store.work_changes import WorkChange
from wsd.cancels import Cancels
from wsd.connection import Connection
from wsd.database import Database
from wsd.ends import Ends
from wsd.hub import Hub
from wsd.inbox import Inbox
from wsd.protocol import Hello
from wsd.pusher import Leaving, Pusher
from wsd.queue_poll import QueuePoll
from wsd.work import HELLO_SECONDS, SessionWork, is_out_of_tries

MODULES_AT_ONCE = 500
# In a storm of connects the queues of many modules are read together: one read of a few hundred
# costs the database little more than one of a single module.
READ_QUEUES_SECONDS = 0.25
# Reading the queues of all modules again takes at most this part of the time, however many wait.
ROUND_FACTOR = 20
PUSHES_AT_ONCE = 500
# While several messages come at a time, but few, the next ones are waited for: half of what a small
# batch costs the database is the same for a large one. A message that comes alone goes at once.
GATHER_SECONDS = 0.03
ENOUGH_TO_PUSH = 25
# What has not been written to a socket yet before it gets more work.
OUTBOX_ENOUGH_BYTES = 512 * 1024
NEWS_AT_ONCE = 500
# So many pushes are much: the polls take over from the change stream.
MANY_PUSHES, COUNTED_SECONDS = 20, 0.2
# A queue that was longer than this is read again when it is shorter: the polls may have missed some.
LONG_QUEUE = 20

P = ParamSpec("P")

log = logging.getLogger(__name__)


class Dispatcher:
    """Knows what waits for the modules held here, and sends it as their clients can take it."""

    def __init__(
        self,
        hub: Hub,
        database: Database,
        inbox: Inbox,
        *,
        poll_seconds: float,
        round_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub = hub
        self._database = database
        self._deliveries = database.store.deliveries
        self._inbox = inbox
        self._cancels = Cancels(hub, database, inbox, monotonic)
        self._ends = Ends(database, round_seconds, monotonic)
        self._monotonic = monotonic
        self._pusher = Pusher(database, inbox, self.look_at, monotonic)
        self.queue_poll = QueuePoll(database, poll_seconds, monotonic)
        self._look_seconds = poll_seconds
        self._round_seconds = round_seconds
        self.wake: Callable[[], object] = lambda: None
        self.is_stream_open: Callable[[], bool] = lambda: True
        self.rest_stream: Callable[[], object] = lambda: None
        self.queue_poll.comes_often = lambda: not self.is_stream_open()
        self._counted_since, self._pushed = float("-inf"), 0
        self._unread: dict[ModuleHash, None] = {}  # whose queues are to be read
        self._queues_read_at = float("-inf")
        self._coming_back: asyncio.TimerHandle | None = None
        self._coming_back_at = float("inf")
        self._working: set[Connection] = set()
        self._ready: set[Connection] = set()
        self._gathers = False
        self._is_held = False  # until results are stored
        inbox.on_caught_up = self._go_on
        self._news: list[MessageId] = []  # of the change stream, to be read
        self._looked_at = self._round_at = float("-inf")
        self._reading_seconds = 0.0  # since the last round

    # What sockets and the change stream tell.

    def begin(self, connection: Connection) -> None:
        """Read the queue of a module that has connected."""
        assert connection.session is not None
        self._unread[connection.session.module_hash] = None
        self.wake()

    def release(self, connection: Connection, end: SessionEnd) -> SessionEnd:
        """Forget a session's work; return its end with what goes back into the queue."""
        work, connection.work = connection.work, None
        self._working.discard(connection)
        self._ready.discard(connection)
        return replace(end, unacknowledged=work.unacknowledged()) if work else end

    def hear_hello(self, connection: Connection, hello: Hello) -> None:
        """Learn what a client can; it may get its work now."""
        self._work_of(connection).hear_hello(hello, self._monotonic())
        self.look_at(connection)

    def look_at(self, connection: Connection) -> None:
        """Push more to a socket that may have room."""
        if connection.work is not None and connection.work.waiting:
            self._ready.add(connection)
            self.wake()

    def hear_news(self, change: WorkChange | None) -> None:
        """Look at once for what the change stream saw; without a change, for all that is new."""
        if change is None:
            self.queue_poll.poll_soon()
            self._cancels.note_gap()
        elif change.is_cancel:
            self._cancels.hear_news()
            return
        elif change.is_end:
            self._ends.hear(change.id)
        else:
            self._news.append(change.id)
        self.wake()

    def _go_on(self) -> None:
        """Push again what waited until results were stored."""
        if self._is_held:
            self.wake()

    def _work_of(self, connection: Connection) -> SessionWork:
        if connection.work is None:
            connection.work = SessionWork(self._monotonic())
            self._working.add(connection)
        return connection.work

    # What the loop does.

    async def tick(self) -> bool:
        """Read what is new, record attempts, send them; True while work is left."""
        if self._gathers:
            await asyncio.sleep(GATHER_SECONDS)
        if self._hub.node is None or self._hub.is_stopping:
            return False
        node, now = self._hub.node_id, self._monotonic()
        if is_due := now >= self._looked_at + self._look_seconds:
            self._looked_at = now
        await self._read_all(node, now, is_due=is_due)
        # After all that is awaited: what is acknowledged or answered meanwhile is not sent again.
        leaving = self._find_overdue(now) if is_due else []
        # Modules would answer faster than their results are stored, and pushes slow that down.
        self._is_held = self._inbox.is_behind
        if not self._is_held:
            leaving += self._choose(now, in_groups=not is_due)
        self._gathers = 1 < len(leaving) < ENOUGH_TO_PUSH
        if leaving:
            self._count_pushes(len(leaving), now)
            await self._pusher.push(leaving, node)
        if (seconds := self.queue_poll.seconds_left(self._monotonic())) is not None:
            self._come_back_in(seconds)
        has_ready = self._ready and not self._is_held
        has_unread = self._may_read_queues(self._monotonic())
        return bool(has_ready or has_unread or self._news or self._ends.has_more)

    async def _read_all(self, node: NodeId, now: float, *, is_due: bool) -> None:
        """Read what may be new, after what is in doubt; what is due by time, once in a while."""
        async for hashes in self._pusher.undo_doubtful():
            self._unread |= dict.fromkeys(hashes)
        if now >= self._round_at + max(self._round_seconds, ROUND_FACTOR * self._reading_seconds):
            self._round_at, self._reading_seconds = now, 0.0
            self._unread |= {
                module_hash: None
                for module_hash, connection in self._hub.by_module.items()
                if connection.work is None or not connection.work.waiting
            }
        if self._may_read_queues(now):
            await self._read_queues()
        if self._news:
            await self._read_news()
        self._enqueue(await self.queue_poll.read((node, *self._hub.former_ids), now))
        if is_due:
            self._ready |= {c for c in self._working if c.work and c.work.waiting}
            await self._cancels.tick((node, *self._hub.former_ids))
            self._ends.look_over(self._working, now)
        if self._ends.has_more:
            await self._free_places()

    async def _free_places(self) -> None:
        """Let go of what another process ended; what it took back is in the queue again."""
        for connection in await self._ends.tick(self._working):
            self._ready.add(connection)
            if connection.session is not None:
                self._unread[connection.session.module_hash] = None

    def _may_read_queues(self, now: float) -> bool:
        """Return whether queues are to be read now; if it is too early, come back in time."""
        seconds_left = self._queues_read_at + READ_QUEUES_SECONDS - now
        is_full = len(self._unread) >= MODULES_AT_ONCE
        if not self._unread or is_full or seconds_left <= 0:
            return bool(self._unread)
        self._come_back_in(seconds_left)
        return False

    def _come_back_in(self, seconds: float) -> None:
        """Wake the loop in a moment, unless it will be awake by then."""
        loop = asyncio.get_running_loop()
        at = loop.time() + seconds
        if at < self._coming_back_at:
            if self._coming_back is not None:
                self._coming_back.cancel()
            self._coming_back_at = at
            self._coming_back = loop.call_at(at, self._come_back)

    def _come_back(self) -> None:
        # By this, not by the time: uvloop counts whole milliseconds, and may be too early.
        self._coming_back_at = float("inf")
        self.wake()

    async def _read_queues(self) -> None:
        """Read the queues of modules that have connected, or that have little left in memory."""
        hashes = list(islice(self._unread, MODULES_AT_ONCE))
        self._queues_read_at = started = self._monotonic()
        found = await self._read(self._deliveries.queued_for, hashes)
        self._reading_seconds += self._monotonic() - started
        for module_hash in hashes:
            self._unread.pop(module_hash, None)
        self._enqueue(found)

    async def _read_news(self) -> None:
        """Read what the change stream told of; what fails is left to the poll."""
        news, self._news = self._news[:NEWS_AT_ONCE], self._news[NEWS_AT_ONCE:]
        self._enqueue(await self._read(self._deliveries.queued_among, news))

    async def _read(
        self, call: Callable[P, list[Message]], *args: P.args, **kwargs: P.kwargs
    ) -> list[Message]:
        def read() -> list[Message]:
            with batch_timeout():
                return call(*args, **kwargs)

        return await self._database.run(read)

    def _enqueue(self, messages: Iterable[Message]) -> None:
        by_module: dict[ModuleHash, list[Message]] = {}
        for message in messages:
            by_module.setdefault(message.module_hash, []).append(message)
        for module_hash, some in by_module.items():
            connection = self._hub.by_module.get(module_hash)
            if connection is None or not connection.is_open():
                continue  # it reads its queue when it has connected
            is_new = connection.work is None
            self._work_of(connection).enqueue(some)
            self._ready.add(connection)
            if is_new:
                asyncio.get_running_loop().call_later(HELLO_SECONDS, self.look_at, connection)

    def _choose(self, now: float, *, in_groups: bool) -> list[Leaving]:
        """Choose what may be sent now; a socket stays ready while more of its queue may follow."""
        leaving: list[Leaving] = []
        at = utc_now()
        for connection in list(self._ready):
            if len(leaving) >= PUSHES_AT_ONCE:
                break
            work = connection.work
            self._ready.discard(connection)
            if work is None or connection.outbox_bytes() > OUTBOX_ENOUGH_BYTES:
                continue  # the next poll looks at it again
            was_long = len(work.waiting) >= LONG_QUEUE
            taken = work.take(now, at, in_groups=in_groups)
            leaving += [
                Leaving(push=Push(message=message), connection=connection, work=work)
                for message in self._give_up_hopeless(taken, work)
            ]
            if was_long and len(work.waiting) < LONG_QUEUE and connection.session:
                self._unread[connection.session.module_hash] = None
            if taken and work.waiting and not work.is_full:
                self._ready.add(connection)
        return leaving

    def _find_overdue(self, now: float) -> list[Leaving]:
        """Return what no module acknowledged in time; end what was pushed often enough."""
        leaving = []
        for connection in self._working:
            work = connection.work
            for one in work.overdue(now) if work else ():
                assert work is not None
                if is_out_of_tries(one):
                    work.end(one.message.id)
                    self._give_up(one.message)
                    self._ready.add(connection)
                else:
                    push = Push(message=one.message, is_again=True)
                    leaving.append(Leaving(push=push, connection=connection, work=work))
        return leaving

    def _give_up_hopeless(self, taken: list[Message], work: SessionWork) -> list[Message]:
        """End what session after session was sent in vain; return the others."""
        for message in taken:
            if message.attempt >= ATTEMPTS_IN_ALL:
                work.note_not_sent(message.id)
                self._give_up(message)
        return [message for message in taken if message.attempt < ATTEMPTS_IN_ALL]

    def _give_up(self, message: Message) -> None:
        self._inbox.end(end_of_message(message, ResultStatus.DEAD, utc_now(), EndReason.NO_ACK))

    def _count_pushes(self, count: int, now: float) -> None:
        if now >= self._counted_since + COUNTED_SECONDS:
            self._counted_since, self._pushed = now, 0
        self._pushed += count
        if self._pushed >= MANY_PUSHES:
            self.rest_stream()
