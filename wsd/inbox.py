"""What modules say about their work, collected and written in batches; answered once it is stored."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from shared.clock import utc_now
from shared.domain.delivery import Tried
from shared.domain.event import Event
from shared.domain.ids import ModuleHash
from shared.domain.message import Message
from shared.domain.result import Result
from shared.services.delivery import requeue
from shared.services.ending import end_messages
from shared.services.result_recording import ModuleResult, record_results
from wsd.batch_writer import MAX_OPERATIONS, BatchWriter
from wsd.connection import Connection
from wsd.database import Database
from wsd.metrics import Metrics
from wsd.protocol import RECEIVE_RESULT, encode_error

MIB = 2**20
# What waits of one socket before its reading is paused, and of all sockets.
SHARE_BYTES = 4 * MIB
INBOX_BYTES = 64 * MIB
BATCH_BYTES = 8 * MIB
# A stored document is at most 16 MB.
RESULT_MAX_BYTES = 15 * MIB
ROUGH_BYTES = 500  # of what a result takes beside its content

log = logging.getLogger(__name__)


@dataclass(eq=False, kw_only=True)
class WaitingResult:
    """A result, and the socket that wants to hear that it is stored.

    An answer names nothing: each waits for its turn, also that to a word which is not stored.
    """

    number: int
    connection: Connection
    said: ModuleResult | None
    name: str = ""
    answer: bytes = RECEIVE_RESULT

    @property
    def size(self) -> int:
        """Return about how many bytes it takes."""
        said = self.said
        return ROUGH_BYTES + (len(said.content or "") + len(said.error or "") if said else 0)


@dataclass(kw_only=True)
class Batch:
    """What is written together; all but the results are a few grouped updates."""

    results: list[WaitingResult] = field(default_factory=list)
    ends: list[Result] = field(default_factory=list)
    acks: list[Tried] = field(default_factory=list)
    pushed: list[Tried] = field(default_factory=list)
    owed: list[Tried] = field(default_factory=list)
    lost: list[tuple[ModuleHash, Tried]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(len(part) for part in vars(self).values())

    def take_rest_of(self, other: "Batch") -> None:
        """Take over everything but the results."""
        for name in ("ends", "acks", "pushed", "owed", "lost", "events"):
            getattr(self, name).extend(getattr(other, name))


class Inbox:
    """Collects what is to be written about messages; a batch that failed waits again.

    `on_full` and `on_room` are called for a socket whose reading is to be paused, or to go on.
    `keeps_acks` is False for a node that leaves: what no module acknowledged goes to another session.
    """

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._store = database.store
        self.keeps_acks = True
        self._waiting = Batch()
        self._numbers = count()
        self._bytes_of: Counter[Connection] = Counter()
        self._bytes = 0
        self._held: set[Connection] = set()
        self._batches: BatchWriter[Batch, list[Message | None]] = BatchWriter(
            database, self, metrics
        )
        self.run = self._batches.run
        self.stop = self._batches.stop
        self.write_one_batch = self._batches.write_one_batch
        self.on_stored: list[Callable[[ModuleHash], object]] = []
        self.on_caught_up: Callable[[], object] = lambda: None

    # What sockets and the dispatcher bring.

    def take_result(self, connection: Connection, said: ModuleResult, name: str) -> None:
        """Take a result; its socket hears of it once it is stored."""
        number = next(self._numbers)
        waiting = WaitingResult(number=number, connection=connection, said=said, name=name)
        if waiting.size > RESULT_MAX_BYTES:
            problem = f"The result of {name!r} is larger than {RESULT_MAX_BYTES // MIB} MiB."
            self.answer_in_turn(connection, encode_error(problem))
        else:
            self._keep(waiting)

    def answer_in_turn(self, connection: Connection, answer: bytes = RECEIVE_RESULT) -> None:
        """Answer what is not stored, behind the results that came before it."""
        if connection not in self._bytes_of:
            connection.send_now(answer)
            return
        number = next(self._numbers)
        self._keep(WaitingResult(number=number, connection=connection, said=None, answer=answer))

    def _keep(self, waiting: WaitingResult) -> None:
        connection = waiting.connection
        self._waiting.results.append(waiting)
        self._bytes += waiting.size
        self._bytes_of[connection] += waiting.size
        if self._bytes_of[connection] > SHARE_BYTES or self._bytes > INBOX_BYTES:
            self._held.add(connection)
            connection.hold_reading()
        self._batches.notify()

    def acknowledge(self, tried: Tried) -> None:
        """Note that a module has received an attempt."""
        self._waiting.acks.append(tried)
        self._batches.notify()

    def note_pushed(self, tried: Tried, *, is_owed: bool) -> None:
        """Note that a client was sent an attempt that does not acknowledge."""
        (self._waiting.owed if is_owed else self._waiting.pushed).append(tried)
        self._batches.notify()

    def end(self, result: Result) -> None:
        """End a message in the platform's name."""
        self._waiting.ends.append(result)
        self._batches.notify()

    def requeue(self, module_hash: ModuleHash, tried: Tried) -> None:
        """Put an attempt back into the queue that did not reach the socket."""
        self._waiting.lost.append((module_hash, tried))
        self._batches.notify()

    def record(self, event: Event) -> None:
        """Record an event."""
        self._waiting.events.append(event)
        self._batches.notify()

    async def keep_held_alive(self) -> bool:
        """Count a socket as alive that was not read because of what it has sent already."""
        for connection in self._held:
            connection.note_life()
        return False

    @property
    def is_behind(self) -> bool:
        """Return whether more results wait than a batch holds: they come before new work."""
        return len(self._waiting.results) > MAX_OPERATIONS

    # What the batch writer asks for.

    def count_waiting(self) -> int:
        """Return how much waits to be written."""
        return len(self._waiting)

    @staticmethod
    def size_of(batch: Batch) -> int:
        """Return how much a batch holds."""
        return len(batch)

    def take(self, limit: int) -> Batch | None:
        """Take the oldest results, by number and bytes, and everything that is written in groups.

        No socket takes more than its share: one that says much makes no other wait for long.
        """
        waiting = self._waiting
        share = max(1, limit // max(1, len(self._bytes_of)))
        batch, left = Batch(), Batch()
        counts: Counter[Connection] = Counter()
        size = 0
        for one in waiting.results:
            is_full = len(batch.results) >= limit or (size > 0 and size + one.size > BATCH_BYTES)
            if is_full or counts[one.connection] >= share:
                counts[one.connection] = share  # what comes after it waits, too
                left.results.append(one)
            else:
                counts[one.connection] += 1
                size += one.size
                batch.results.append(one)
        batch.take_rest_of(waiting)
        if self.keeps_acks:
            _keep_acks(batch, left)
        self._waiting = left
        return batch if len(batch) else None

    def write(self, batch: Batch) -> list[Message | None]:
        """Write a batch; return the messages of its results; runs in a thread."""
        store, now = self._store, utc_now()
        messages = record_results(store, [one.said for one in batch.results if one.said], now)
        ended = {message.id for message in messages if message is not None}
        if batch.ends:
            ended |= end_messages(store, batch.ends, now).keys()
        deliveries = store.deliveries
        # What came together with its result needs no acknowledgement.
        deliveries.acknowledge([one for one in batch.acks if one.id not in ended], now)
        for tried, is_owed in ((batch.pushed, False), (batch.owed, True)):
            deliveries.note_pushed([t for t in tried if t.id not in ended], now, is_owed=is_owed)
        if batch.lost:
            requeue(store, batch.lost, now)
        store.events.record(batch.events)
        return messages

    def settle(self, batch: Batch, result: list[Message | None]) -> None:
        """Tell the sockets that their results are stored, or that it was not their work."""
        messages = iter(result)
        for waiting in batch.results:
            self._let_go(waiting)
            if waiting.said is None:
                waiting.connection.send_now(waiting.answer)
            elif (message := next(messages)) is None:
                _refuse(waiting)
            else:
                waiting.connection.send_now(RECEIVE_RESULT)
                for call in self.on_stored:
                    call(message.module_hash)
        if not self.is_behind:
            self.on_caught_up()

    def fail(self, batch: Batch) -> None:
        """Let everything wait again, in its order: each of these writes may be repeated."""
        results = [*batch.results, *self._waiting.results]
        batch.results = sorted(results, key=lambda waiting: waiting.number)
        batch.take_rest_of(self._waiting)
        self._waiting = batch

    @staticmethod
    def split(batch: Batch) -> list[Batch]:
        """Return everything in a batch as batches of one."""
        parts: list[Batch] = []
        for name, found in vars(batch).items():
            for one in found:
                parts.append(Batch())
                setattr(parts[-1], name, [one])
        return parts

    def drop(self, batch: Batch, error: Exception) -> None:
        """Give up what the database refuses for good; the module may send its result otherwise."""
        log.error("a word about work is given up", extra={"error": type(error).__name__})
        for waiting in batch.results:
            self._let_go(waiting)
            problem = f"The result of {waiting.name!r} cannot be stored."
            waiting.connection.send_now(encode_error(problem))

    def _let_go(self, waiting: WaitingResult) -> None:
        """Count a result out, and let a socket be read again whose share has room."""
        connection = waiting.connection
        self._bytes -= waiting.size
        self._bytes_of[connection] -= waiting.size
        if self._bytes_of[connection] <= 0:
            del self._bytes_of[connection]
        has_room = self._bytes <= INBOX_BYTES / 2 and self._bytes_of[connection] <= SHARE_BYTES / 2
        if has_room and connection in self._held:
            self._held.discard(connection)
            connection.release_reading()


def _keep_acks(batch: Batch, left: Batch) -> None:
    """Keep back the acknowledgements of what was answered: it needs none once its result is written.

    Those that must come in time are not kept: what was not begun by then is given up.
    """
    said = (one.said.message for one in left.results if one.said and one.said.message)
    answered = {message.id for message in said if message.start_timeout_seconds is None}
    left.acks = [one for one in batch.acks if one.id in answered]
    batch.acks = [one for one in batch.acks if one.id not in answered]


def _refuse(waiting: WaitingResult) -> None:
    """Say that a result is about no work of its module.

    An earlier client, which names an execution, knows one answer to all that it says.
    """
    work, said, answer = waiting.connection.work, waiting.said, RECEIVE_RESULT
    if said is None or said.message_id or (work and not work.is_earlier_client):
        answer = encode_error(f"No message {waiting.name!r} was sent to this module: not stored.")
    log.info("a result is about no work of its module", extra={"named": waiting.name})
    waiting.connection.send_now(answer)
