"""Who is connected to this process: admits sockets, holds them, lets them go."""

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared.clock import utc_now
from shared.domain.close_codes import CloseCode
from shared.domain.event import looped
from shared.domain.liveness import Node, WorkingClock
from shared.domain.module import ModuleHash, NodeId, OfflineReason, Session, SessionId
from shared.domain.session import Claim, ClaimOutcome, SessionEnd, Verdict
from shared.errors import DatabaseUnavailable
from shared.services.liveness import NodeView
from shared.settings import Settings
from shared.store import Store
from wsd.bridge import Bridge
from wsd.connection import ModuleConnection
from wsd.figures import HubFigures
from wsd.probe import Prober
from wsd.protocol import encode_ping
from wsd.session import SocketSession
from wsd.verdicts import CLOSES, raise_refusal, too_many_takeovers
from wsd.writer import SessionWriter

# A refused newcomer that insists is refused without asking the incumbent again for this long.
LOOP_MEMORY_SECONDS = 1.0

RESTARTING = "This process is restarting: connect again."

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Hub:
    """The sockets of this node, by module and by session; implements connection.Holder."""

    settings: Settings
    store: Store
    bridge: Bridge
    clock: WorkingClock = field(default_factory=WorkingClock)
    figures: HubFigures = field(default_factory=HubFigures)

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.node: Node | None = None
        self.is_closing = False
        self.by_module: dict[ModuleHash, ModuleConnection] = {}
        self.by_session: dict[SessionId, ModuleConnection] = {}
        self.writer = SessionWriter(self.bridge, self.store, self.view)
        self.prober = Prober(self)
        self._refused_until: dict[ModuleHash, float] = {}
        self._claiming: Counter[ModuleHash] = Counter()
        # When those spoke who left since the last flush of pulses.
        self.departed: dict[ModuleHash, float] = {}
        self._background: set[asyncio.Task[Any]] = set()

    def now(self) -> float:
        """Return the working time in seconds."""
        return self._loop.time() - self.clock.frozen_seconds

    def ping_frame(self) -> bytes:
        """Return the question to a silent module."""
        return encode_ping(utc_now())

    def view(self) -> NodeView:
        """Return what this node knows that the database does not."""
        return NodeView(
            node=self.node_id,
            holds=self.by_session.__contains__,
            takeover_window=timedelta(seconds=self.settings.takeover_window_seconds),
        )

    @property
    def node_id(self) -> NodeId:
        """Return the node's id; raises DatabaseUnavailable before it could enrol."""
        if self.node is None:
            raise DatabaseUnavailable
        return self.node.id

    def is_busy_with(self, module_hash: ModuleHash) -> bool:
        """Return whether this module's session is just being changed from here."""
        return module_hash in self._claiming or self.writer.is_busy_with(module_hash)

    def run_in_background(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run something to its end while others go on."""
        task = self._loop.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def wait_for_background(self) -> None:
        """Wait until everything that runs in the background has ended."""
        while self._background:
            await asyncio.wait(self._background)

    async def admit(self, connection: ModuleConnection, module_hash: ModuleHash, peer: str) -> None:
        """Bind a socket to its module before its handshake is answered.

        Raises NotFound, Forbidden, TooManyRequests (two programs fight for one module) or
        DatabaseUnavailable.
        """
        if self.now() < self._refused_until.get(module_hash, 0.0):
            raise too_many_takeovers()
        session = Session(
            id=SessionId(uuid.uuid4().hex),
            node=self.node_id,
            peer=peer,
            connected_at=utc_now(),
        )
        claim = Claim(module_hash=module_hash, session=session)
        outcome = await self._claim(connection, claim)
        if outcome.verdict is Verdict.LOOPING:
            await self._ask_incumbent(outcome)
            confirmed = Claim(module_hash=module_hash, session=session, confirmed=True)
            outcome = await self._claim(connection, confirmed)
        raise_refusal(outcome)
        if self.is_closing:
            raise DatabaseUnavailable(RESTARTING)

    async def _claim(self, connection: ModuleConnection, claim: Claim) -> ClaimOutcome:
        """Claim and adopt in a task of its own, which outlives a cancelled handshake."""
        return await asyncio.shield(
            self.run_in_background(self._claim_and_adopt(connection, claim))
        )

    async def _claim_and_adopt(self, connection: ModuleConnection, claim: Claim) -> ClaimOutcome:
        with self._busy_with(claim.module_hash):
            outcome = await self.writer.claim(claim, lambda: not connection.is_lost)
            if outcome.verdict is Verdict.BOUND:
                self._adopt(connection, outcome)
        return outcome

    @contextmanager
    def _busy_with(self, module_hash: ModuleHash) -> Iterator[None]:
        """Say that a claim of this module is under way until its outcome has been taken in."""
        self._claiming[module_hash] += 1
        try:
            yield
        finally:
            self._claiming[module_hash] -= 1
            if not self._claiming[module_hash]:
                del self._claiming[module_hash]

    def _adopt(self, connection: ModuleConnection, outcome: ClaimOutcome) -> None:
        """Hold a bound socket; whoever went away during the claim is let go at once."""
        claim = outcome.claim
        session = SocketSession(claim.module_hash, claim.session.id, claim.session.peer, self.now())
        connection.adopt(session, outcome.epoch)
        incumbent = self.by_module.get(claim.module_hash)
        if incumbent is not None:
            incumbent.end(CloseCode.REPLACED, OfflineReason.REPLACED, "a newer session took over")
        self.by_module[claim.module_hash] = connection
        self.by_session[claim.session.id] = connection
        self.figures.admitted += 1
        if connection.is_lost or self.is_closing:
            self.release(connection, OfflineReason.CONNECTION_LOST)

    async def _ask_incumbent(self, outcome: ClaimOutcome) -> None:
        """Refuse the newcomer of a takeover loop, unless the incumbent keeps silent."""
        claim, incumbent = outcome.claim, outcome.previous
        if incumbent is None or not await self.prober.is_answering(claim.module_hash, incumbent):
            return
        if self.now() >= self._refused_until.get(claim.module_hash, 0.0):
            self._refused_until[claim.module_hash] = self.now() + LOOP_MEMORY_SECONDS
            event = looped(
                claim.module_hash, utc_now(), incumbent=incumbent.peer, newcomer=claim.session.peer
            )
            await self.bridge.run(self.store.events.record, [event])
        raise too_many_takeovers()

    async def bind_again(self, connection: ModuleConnection) -> None:
        """Bind a held socket that the database lost, unless a later session exists.

        When the database does not answer, the next reconciliation tries again.
        """
        session = connection.session
        if session is None:
            return
        with self._busy_with(session.module_hash), suppress(DatabaseUnavailable):
            await self._bind_again(connection, session)

    async def _bind_again(self, connection: ModuleConnection, session: SocketSession) -> None:
        claim = Claim(
            module_hash=session.module_hash,
            session=Session(
                id=session.session_id, node=self.node_id, peer=session.peer, connected_at=utc_now()
            ),
            floor_epoch=connection.epoch,
        )
        outcome = await self.writer.claim(claim, connection.is_open)
        if outcome.verdict is Verdict.BOUND:
            connection.epoch = outcome.epoch
            if not connection.is_open():
                self._queue_end(connection, OfflineReason.CONNECTION_LOST)
        elif outcome.verdict in CLOSES:
            connection.end(*CLOSES[outcome.verdict])

    def release(self, connection: ModuleConnection, reason: OfflineReason) -> None:
        """Let go of a socket and end its session; does nothing when it was let go before."""
        session = connection.session
        if session is None or self.by_session.pop(session.session_id, None) is None:
            return
        if self.by_module.get(session.module_hash) is connection:
            del self.by_module[session.module_hash]
        self.departed[session.module_hash] = session.spoke_at
        self.figures.closed += 1
        log.info("session %s of %s: %s", session.session_id, session.module_hash, reason.value)
        if not self.is_closing:  # a stopping node ends all its sessions itself
            self._queue_end(connection, reason)

    def _queue_end(self, connection: ModuleConnection, reason: OfflineReason) -> None:
        session = connection.session
        assert session is not None
        self.writer.end(
            SessionEnd(
                module_hash=session.module_hash,
                session_id=session.session_id,
                epoch=connection.epoch,
                reason=reason,
                at=utc_now(),
                peer=session.peer,
            )
        )

    def forget_refusals(self, *, all_of_them: bool = False) -> None:
        """Drop what is remembered of refused takeovers and is over, or all of it."""
        now = float("inf") if all_of_them else self.now()
        self._refused_until = {h: at for h, at in self._refused_until.items() if at > now}
