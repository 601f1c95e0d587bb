"""Work is accepted: for modules that may get it, into queues that have room, each message once.

Modules are read before messages are stored, and again afterwards: `shared/services/queueing.py`
says why. The messages of a module that is gone by then end.
"""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.draft import Draft, find_life_problem
from shared.domain.ids import MessageId, ModuleHash, NodeId
from shared.domain.message import QUEUE_MAX, EndReason, Message, MessageStatus
from shared.domain.module import Module
from shared.domain.node import NO_GRACE, LeaseGrace
from shared.domain.result import Result, ResultStatus, end_of_message
from shared.domain.routing import Choice
from shared.errors import Conflict, InvalidData, NotFound, PlatformError, QueueFull
from shared.services.ending import end_messages
from shared.services.queue_room import QueueRoom
from shared.services.queueing import address_moved
from shared.services.routing import Router
from shared.store import Store

FULL_RETRY_SECONDS = 10
# How long the nodes that were alive are believed to be: it only tells what an answer says.
LOOK_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A message that was accepted, now or before; no module is one that is deleted since.

    The node of a module that is online pushes it at once, unless the module has enough to do.
    """

    message: Message
    module: Module | None
    is_online: bool
    is_duplicate: bool

    @property
    def delivery(self) -> str:
        """Return what its sender is told: pushed, if it was or is about to be; or queued."""
        if self.is_duplicate or not self.is_online:
            return delivery_of(self.message)
        return "pushed"


class MessageSender:
    """Accepts messages, for all threads of a process, a batch at a time."""

    def __init__(
        self,
        router: Router,
        room: QueueRoom,
        grace: LeaseGrace = NO_GRACE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._router = router
        self._room = room
        self._grace = grace
        self._clock = clock
        self._alive: frozenset[NodeId] = frozenset()
        self._looked_at = float("-inf")

    def send(
        self, store: Store, drafts: Sequence[Draft], now: datetime
    ) -> list[Sent | PlatformError]:
        """Accept work; return for each draft what was sent, or why it was refused.

        A message whose id exists is not sent again, whatever became of its module meanwhile. A kill
        leaves some of the messages or none: callers that give ids may simply ask again.
        """
        batch = _Batch(store, drafts, now)
        self._choose(batch)
        batch.make_messages()
        self._refuse_beyond_room(batch)
        batch.store_new()
        return batch.answer(self._look_at_nodes(store, now))

    def _look_at_nodes(self, store: Store, now: datetime) -> frozenset[NodeId]:
        if self._clock() >= self._looked_at + LOOK_SECONDS:
            self._alive = self._grace.judge(store.nodes.all(), now).alive
            self._looked_at = self._clock()
        return self._alive

    def _choose(self, batch: "_Batch") -> None:
        for message_id, draft in batch.wanted.items():
            if draft.module_hash is None:
                choice = self._router.choose_of_kind(
                    batch.store, draft.mission_kind, batch.now, fallback=draft.fallback
                )
            elif draft.fallback:
                hashes = (draft.module_hash, *draft.fallback)
                choice = self._router.choose_in_order(batch.store, hashes, batch.now)
            else:
                choice = Choice(module_hash=draft.module_hash, because="")
            if choice is not None:
                batch.choices[message_id] = choice
            else:
                batch.refused[message_id] = _none_left(draft)

    def _refuse_beyond_room(self, batch: "_Batch") -> None:
        """Refuse the messages that do not fit into the queues of their modules."""
        numbers = Counter(message.module_hash for message in batch.messages.values())
        for module_hash, wanted in numbers.items():
            room = self._room.take(batch.store, module_hash, wanted)
            ids = [m.id for m in batch.messages.values() if m.module_hash == module_hash]
            for message_id in ids[room:]:
                del batch.messages[message_id]
                batch.refused[message_id] = _full(batch.modules[module_hash])


class _Batch:
    """Drafts on their way to be messages; each id is wanted, refused, or stored."""

    def __init__(self, store: Store, drafts: Sequence[Draft], now: datetime) -> None:
        self.store = store
        self.now = now
        self.asked = [(d.message_id or _make_id(now, n), d) for n, d in enumerate(drafts)]
        given = {d.message_id for d in drafts if d.message_id}
        # First the results: one without its message is older than that was kept.
        ends = store.results.read_ends(given)
        self.stored = store.messages.read(given)
        self.refused: dict[MessageId, PlatformError] = {
            i: _used(end) for i, end in ends.items() if i not in self.stored
        }
        self.wanted: dict[MessageId, Draft] = {}
        for message_id, draft in self.asked:
            if message_id not in self.stored.keys() | self.refused.keys():
                self.wanted.setdefault(message_id, draft)
        self.choices: dict[MessageId, Choice] = {}
        self.messages: dict[MessageId, Message] = {}
        self.modules: dict[ModuleHash, Module] = {}

    def make_messages(self) -> None:
        """Make the messages of what was chosen; refuse those whose module takes none."""
        self.modules = _read_modules(self.store, (c.module_hash for c in self.choices.values()))
        for message_id, choice in self.choices.items():
            module = self.modules.get(choice.module_hash)
            if module is None:
                self.refused[message_id] = _unknown(choice.module_hash)
            elif not module.enabled:
                self.refused[message_id] = _disabled(module)
            else:
                draft = self.wanted[message_id]
                self.messages[message_id] = draft.make(message_id, module, choice, self.now)
                problem = find_life_problem(self.messages[message_id].useful_until, self.now)
                if problem:
                    del self.messages[message_id]
                    self.refused[message_id] = InvalidData(f"useful_until {problem}.")

    def store_new(self) -> None:
        """Store the messages; another process may have stored some of them first."""
        existed = self.store.messages.add(list(self.messages.values()))
        for message_id in existed:
            del self.messages[message_id]
        self.stored |= self.store.messages.read(existed)
        hashes = {m.module_hash for m in (self.stored | self.messages).values()}
        self.modules = _read_modules(self.store, hashes)
        nodes = {
            m.module_hash: m.session.node if m.session else None for m in self.modules.values()
        }
        address_moved(self.store, self.messages.values(), nodes, self.now)
        gone = [m for m in self.messages.values() if m.module_hash not in self.modules]
        reason = EndReason.UNKNOWN_MODULE
        ends = [end_of_message(m, ResultStatus.DEAD, self.now, reason) for m in gone]
        end_messages(self.store, ends, self.now)
        self.refused |= {message.id: _unknown(message.module_hash) for message in gone}

    def answer(self, alive: Collection[NodeId]) -> list[Sent | PlatformError]:
        """Return for each draft what was sent, or why it was refused."""
        new = set(self.messages)
        known = self.stored | self.messages
        answers: list[Sent | PlatformError] = []
        for message_id, draft in self.asked:
            if message_id in self.refused:
                answers.append(self.refused[message_id])
                continue
            message = known[message_id]
            module = self.modules.get(message.module_hash)
            session = module.session if module else None
            sent = Sent(
                message=message,
                module=module,
                is_online=session is not None and session.node in alive,
                is_duplicate=message_id not in new,
            )
            new.discard(message_id)
            answers.append(sent if draft.is_of(message) else _another(message_id))
        return answers


def delivery_of(message: Message) -> str:
    """Return pushed for what has left its queue towards its module, else queued."""
    has_left = message.status is not MessageStatus.QUEUED and message.attempt > 0
    return "pushed" if has_left else "queued"


def _read_modules(store: Store, hashes: Iterable[ModuleHash]) -> dict[ModuleHash, Module]:
    return {module.module_hash: module for module in store.modules.brief(set(hashes))}


def _make_id(now: datetime, place: int) -> MessageId:
    """Make an id that is new, and greater than those of earlier milliseconds."""
    return MessageId(f"{int(now.timestamp() * 1000):012x}{place:04x}{secrets.token_hex(8)}")


def _unknown(module_hash: ModuleHash) -> NotFound:
    return NotFound(f"No module has the hash {module_hash[:80]!r}.")


def _disabled(module: Module) -> Conflict:
    return Conflict(f"The module {module.name!r} is disabled: it gets no work until it is enabled.")


def _full(module: Module) -> QueueFull:
    return QueueFull(
        f"The queue of the module {module.name!r} is full: {QUEUE_MAX} messages wait.",
        retry_after_seconds=FULL_RETRY_SECONDS,
    )


def _another(message_id: MessageId) -> Conflict:
    return Conflict(
        f"The message {message_id!r} exists already, and is another one: "
        "its content or its module differs."
    )


def _used(end: Result) -> Conflict:
    return Conflict(
        f"The message {end.message_id!r} was sent before, and is purged; its result is stored: "
        f"{end.status.value} at {end.at:%Y-%m-%dT%H:%M:%SZ}. Give new work another id."
    )


def _none_left(draft: Draft) -> PlatformError:
    if draft.module_hash is None:
        return NotFound(f"No module of the missionKind {draft.mission_kind!r} is online.")
    return Conflict("The module and all its fallbacks are disabled or deleted.")
