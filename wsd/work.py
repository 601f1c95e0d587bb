"""What one session knows of its work: what waits, what was sent, and what is due for another try."""

from bisect import insort
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.delivery import Tried
from shared.domain.ids import ExecutionId, MessageId
from shared.domain.message import (
    ACK_SECONDS,
    ATTEMPTS_ALLOWED,
    ATTEMPTS_IN_ALL,
    QUEUE_MAX,
    Message,
    MessageStatus,
)
from wsd.protocol import Hello, WorkName

# A client that has said nothing yet is taken for an earlier one after this time.
HELLO_SECONDS = 0.5
# What is pushed to one socket before the others have their turn.
PUSHED_AT_ONCE = 50
# What a module says of a message in one session, and its history keeps.
SAID_KEPT = 100
# The worker gives up what is over a moment later, or, if it is away, some time later.
CHECK_AFTER_SECONDS = 0.5
CHECK_AGAIN_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class OpenMessage:
    """A message that was sent in this session and has no result yet; times are monotonic."""

    message: Message
    pushed_at: float
    expects_ack: bool
    tries: int = 1
    is_acked: bool = False
    is_final: bool = False  # an earlier client was sent it: nothing gives it up
    said: int = 0  # of what its history keeps beside progress and result
    is_cancelled: bool = False  # an operator asked for it to be given up
    check_at: float = float("inf")  # when another process must have given it up

    @property
    def tried(self) -> Tried:
        """Return the attempt that it is in."""
        timeout_seconds = self.message.timeout_seconds if self.is_final else None
        return Tried(
            id=self.message.id, attempt=self.message.attempt, timeout_seconds=timeout_seconds
        )


class SessionWork:
    """One session's work.

    A client that says hello tells what it can; one that acknowledges without a hello has shown it.
    All others are earlier clients: each message is sent once, and none waits for another.
    """

    __slots__ = ("_leaving", "_limit", "acks", "open", "said_hello", "starts_at", "waiting")

    def __init__(self, now: float) -> None:
        self.starts_at = now + HELLO_SECONDS
        self.said_hello = False
        self.acks = False
        self._limit = 1
        self.waiting: list[Message] = []
        self._leaving: dict[MessageId, Message] = {}  # their attempts are being recorded
        self.open: dict[MessageId, OpenMessage] = {}

    def hear_hello(self, hello: Hello, now: float) -> None:
        """Learn what the client can."""
        self.said_hello = True
        self.acks = hello.acks
        self._limit = max(1, min(hello.in_flight, QUEUE_MAX))
        self.starts_at = min(self.starts_at, now)
        for one in self.open.values():
            one.expects_ack |= hello.acks  # a hello that came late: it was sent work before

    def enqueue(self, messages: Iterable[Message]) -> None:
        """Take in what waits for the module, unless it is known; most urgent first, then oldest."""
        known = {message.id for message in self.waiting} | self._leaving.keys() | self.open.keys()
        for message in messages:
            if message.id not in known:
                insort(self.waiting, message, key=_urgency)

    def take(self, now: float, at: datetime, *, in_groups: bool = False) -> list[Message]:
        """Take what may be sent now, whose attempt is then to be recorded.

        `in_groups` leaves a long queue alone while only a few may be sent: more will in a moment.
        """
        if now < self.starts_at or not self.waiting:
            return []
        room = PUSHED_AT_ONCE - len(self._leaving)
        if self.acks:
            room = min(room, self._limit - self._places_taken)
            if in_groups and room < min(self._limit // 4, len(self.waiting)):
                return []
        taken: list[Message] = []
        while self.waiting and len(taken) < room:
            message = self.waiting.pop(0)
            if message.useful_until > at:
                taken.append(message)
        self._leaving |= {message.id: message for message in taken}
        return taken

    @property
    def is_earlier_client(self) -> bool:
        """Return whether the client has shown nothing that earlier ones did not know."""
        return not self.said_hello and not self.acks

    @property
    def is_full(self) -> bool:
        """Return whether nothing more may be sent before a result comes."""
        return self.acks and self._places_taken >= self._limit

    @property
    def _places_taken(self) -> int:
        """Return how many messages the client has, or is being sent, and owes an answer to."""
        return sum(one.expects_ack for one in self.open.values()) + len(self._leaving)

    def note_sent(self, message_id: MessageId, attempt: int, sent_at: datetime, now: float) -> None:
        """Note that the frame of an attempt went out."""
        if (one := self.open.get(message_id)) is not None:
            one.message = replace(one.message, attempt=attempt, sent_at=sent_at)
            one.pushed_at, one.tries = now, one.tries + 1
        elif (message := self._leaving.pop(message_id, None)) is not None:
            message = replace(message, attempt=attempt, sent_at=sent_at)
            self._forget_oldest()
            one = OpenMessage(message=message, pushed_at=now, expects_ack=self.acks)
            self.open[message_id] = one
        if one is not None:
            one.is_final = not self.acks
            one.check_at = now + _seconds_to_spare(one.message, sent_at) + CHECK_AFTER_SECONDS

    def note_not_sent(self, message_id: MessageId) -> None:
        """Note that a message is not to be sent any more: another process was first."""
        self._leaving.pop(message_id, None)
        self.open.pop(message_id, None)

    def find(self, name: WorkName) -> OpenMessage | None:
        """Return the open message that a frame names; without a name, the only one."""
        if name.id:
            return self.open.get(MessageId(name.id))
        if name.execution_id:
            wanted = ExecutionId(name.execution_id)
            of_execution = (o for o in self.open.values() if o.message.execution_id == wanted)
            return max(of_execution, key=lambda one: one.pushed_at, default=None)
        return next(iter(self.open.values())) if len(self.open) == 1 else None

    def acknowledge(self, message_id: MessageId) -> bool:
        """Note that the module has an open message; False when it said so before."""
        one = self.open[message_id]
        is_first = not one.is_acked
        one.is_acked = True
        return is_first

    def hear_ack(self, message_id: MessageId) -> None:
        """Learn that the client acknowledges; what else it says of its work shows nothing."""
        self.acks = self.open[message_id].expects_ack = True

    def end(self, message_id: MessageId) -> None:
        """Note that a message has its result."""
        self.open.pop(message_id, None)

    def expects_ack_of(self, message_id: MessageId) -> bool:
        """Return whether a message is open that the module has not acknowledged."""
        one = self.open.get(message_id)
        return one is not None and self._may_be_lost(one)

    def overdue(self, now: float) -> list[OpenMessage]:
        """Return what should have been acknowledged by now."""
        return [
            one
            for one in self.open.values()
            if self._may_be_lost(one)
            and not one.is_cancelled
            and one.pushed_at + ACK_SECONDS <= now
        ]

    def note_cancelled(self, message_id: MessageId) -> None:
        """Note that a message is to be given up: it is not pushed again."""
        if (one := self.open.get(message_id)) is not None:
            one.is_cancelled = True

    # What another process may have ended. What earlier clients were sent takes no place.

    def held(self) -> list[MessageId]:
        """Return what waits here, and what takes a place until its result."""
        return [m.id for m in self.waiting] + [i for i, o in self.open.items() if o.expects_ack]

    def held_among(self, ids: Collection[MessageId]) -> list[MessageId]:
        """Return those of these messages that are held here."""
        return [message_id for message_id in self.held() if message_id in ids]

    def to_be_checked(self, now: float) -> list[MessageId]:
        """Return what must be over by now, each ever less often."""
        found = [one for one in self.open.values() if one.check_at <= now and one.expects_ack]
        for one in found:
            until = one.pushed_at + one.message.timeout_seconds + CHECK_AFTER_SECONDS
            pause = max(CHECK_AGAIN_SECONDS, (now - one.pushed_at) / 10)
            one.check_at = until if one.is_acked and until > now else now + pause
        return [one.message.id for one in found]

    def forget(self, message_id: MessageId, status: MessageStatus | None) -> bool:
        """Forget a message that is stored as something else than what it is here; False if not."""
        if message_id in self.open:
            if status in (MessageStatus.SENT, MessageStatus.ACKED):
                return False
            del self.open[message_id]
            return True
        known = len(self.waiting)
        if status is not MessageStatus.QUEUED:
            self.waiting = [message for message in self.waiting if message.id != message_id]
        return len(self.waiting) < known

    def unacknowledged(self) -> tuple[Tried, ...]:
        """Return the attempts that the module may never have received."""
        return tuple(one.tried for one in self.open.values() if self._may_be_lost(one))

    @staticmethod
    def _may_be_lost(one: OpenMessage) -> bool:
        return one.expects_ack and not one.is_acked

    def _forget_oldest(self) -> None:
        """Keep the memory of what earlier clients were sent, and never answer, small."""
        if len(self.open) >= QUEUE_MAX:
            finals = (mid for mid, one in self.open.items() if not one.expects_ack)
            if (oldest := next(finals, None)) is not None:
                del self.open[oldest]


def is_out_of_tries(one: OpenMessage) -> bool:
    """Return whether a message was pushed as often as allowed, in this session or in all."""
    return one.tries >= ATTEMPTS_ALLOWED or one.message.attempt >= ATTEMPTS_IN_ALL


def _seconds_to_spare(message: Message, sent_at: datetime) -> float:
    """Return how long after this push a message may be given up."""
    if message.start_timeout_seconds is None:
        return message.timeout_seconds
    spent = (sent_at - message.created_at).total_seconds()
    return min(message.timeout_seconds, message.start_timeout_seconds - spent)


def _urgency(message: Message) -> tuple[int, datetime, str]:
    return -message.priority, message.created_at, message.id
