"""Admission: a socket's claim to its module is accepted, or refused with an error."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from shared.clock import utc_now
from shared.domain.closing import REPLACED, UNKNOWN_MODULE, OfflineReason
from shared.domain.disabling import RETRY_SECONDS, closing_of, refusal_of
from shared.domain.event import takeover_refused
from shared.domain.ids import ModuleHash, SessionId
from shared.domain.session import Claim, ClaimOutcome, Decision, Session
from shared.errors import DatabaseUnavailable, Forbidden, NotFound, TooManyRequests
from wsd.background import Background
from wsd.connection import Connection
from wsd.database import Database
from wsd.hub import Hub, end_of
from wsd.session import SocketSession
from wsd.session_writer import SessionWriter
from wsd.takeover_probe import TakeoverProbe
from wsd.working_clock import WorkingClock

LOOP_RETRY_AFTER_SECONDS = 30
# A refused newcomer that insists is refused without asking the incumbent again for this long.
LOOP_MEMORY_SECONDS = 1.0

RESTARTING = "This process is restarting: connect again."

# How a held socket ends that must not become its module's session again.
CLOSING_AFTER = {
    Decision.SUPERSEDED: REPLACED,
    Decision.UNKNOWN_MODULE: UNKNOWN_MODULE,
}


class Admission:
    """Claims sockets: those of newcomers, and held ones whose session the database lost."""

    def __init__(
        self,
        hub: Hub,
        writer: SessionWriter,
        probe: TakeoverProbe,
        database: Database,
        clock: WorkingClock,
        background: Background,
    ) -> None:
        self._hub = hub
        self._writer = writer
        self._probe = probe
        self._database = database
        self._clock = clock
        self._background = background
        self._refused_until: dict[ModuleHash, float] = {}
        self._claiming: Counter[ModuleHash] = Counter()

    def is_changing(self, module_hash: ModuleHash) -> bool:
        """Return whether this module's session is being changed by this node now."""
        return module_hash in self._claiming or self._writer.is_changing(module_hash)

    async def admit(self, connection: Connection, module_hash: ModuleHash, peer: str) -> None:
        """Make a socket its module's session before its handshake is answered.

        Raises NotFound, Forbidden, TooManyRequests (two programs use one hash) or
        DatabaseUnavailable.
        """
        if self._clock.now() < self._refused_until.get(module_hash, 0.0):
            raise _too_many_takeovers()
        session = Session(
            id=SessionId(secrets.token_hex(16)),
            node=self._hub.node_id,
            peer=peer,
            connected_at=utc_now(),
        )
        outcome = await self._claim(connection, Claim(module_hash=module_hash, session=session))
        if outcome.decision is Decision.LOOPING:
            await self._refuse_if_incumbent_answers(outcome)
            # It may have got another id meanwhile, because a node command names the first one.
            outcome = await self._claim(connection, replace(outcome.claim, is_probed=True))
        _raise_refusal(outcome)
        if self._hub.is_stopping:
            raise DatabaseUnavailable(RESTARTING)

    async def _claim(self, connection: Connection, claim: Claim) -> ClaimOutcome:
        """Claim and hold in a task of its own, which outlives a cancelled handshake."""
        return await asyncio.shield(self._background.run(self._claim_and_hold(connection, claim)))

    async def _claim_and_hold(self, connection: Connection, claim: Claim) -> ClaimOutcome:
        with self._claim_under_way(claim.module_hash):
            outcome = await self._writer.claim(claim, lambda: not connection.is_lost)
            if outcome.decision is Decision.ACCEPTED:
                started = outcome.claim.session
                session = SocketSession(
                    claim.module_hash,
                    started.id,
                    started.peer,
                    started.connected_at,
                    self._clock.now(),
                )
                connection.start_session(session, outcome.epoch)
                self._hub.hold(connection)
        return outcome

    @contextmanager
    def _claim_under_way(self, module_hash: ModuleHash) -> Iterator[None]:
        """Note that a claim of this module is under way until its outcome has been acted on."""
        self._claiming[module_hash] += 1
        try:
            yield
        finally:
            self._claiming[module_hash] -= 1
            if not self._claiming[module_hash]:
                del self._claiming[module_hash]

    async def _refuse_if_incumbent_answers(self, outcome: ClaimOutcome) -> None:
        """Refuse the newcomer of a takeover loop, unless the incumbent keeps silent."""
        claim, incumbent = outcome.claim, outcome.previous
        if incumbent is None or not await self._probe.is_answering(claim.module_hash, incumbent):
            return
        now = self._clock.now()
        if now >= self._refused_until.get(claim.module_hash, 0.0):
            self._refused_until[claim.module_hash] = now + LOOP_MEMORY_SECONDS
            event = takeover_refused(
                claim.module_hash, utc_now(), incumbent=incumbent.peer, newcomer=claim.session.peer
            )
            await self._database.run(self._database.store.events.record, [event])
        raise _too_many_takeovers()

    async def rebind(self, connection: Connection) -> None:
        """Make a held socket its module's session again, unless a later session exists.

        When the database does not answer, the next reconciliation tries again.
        """
        session = connection.session
        if session is None:
            return
        with self._claim_under_way(session.module_hash), suppress(DatabaseUnavailable):
            await self._rebind(connection, session)

    async def _rebind(self, connection: Connection, session: SocketSession) -> None:
        claim = Claim(
            module_hash=session.module_hash,
            session=Session(
                id=session.session_id,
                node=self._hub.node_id,
                peer=session.peer,
                connected_at=session.connected_at,
            ),
            held_epoch=connection.epoch,
        )
        outcome = await self._writer.claim(claim, connection.is_open)
        if outcome.decision is Decision.ACCEPTED:
            connection.epoch = outcome.epoch
            if not connection.is_open():
                self._writer.end(end_of(connection, OfflineReason.CONNECTION_LOST))
        elif outcome.decision is Decision.DISABLED:
            connection.end(closing_of(outcome.disabling))
        elif outcome.decision in CLOSING_AFTER:
            connection.end(CLOSING_AFTER[outcome.decision])

    def forget_old_refusals(self) -> None:
        """Drop the refused takeovers whose memory is over."""
        now = self._clock.now()
        self._refused_until = {h: at for h, at in self._refused_until.items() if at > now}

    def forget_all_refusals(self) -> None:
        """Drop what is remembered from before a freeze."""
        self._refused_until.clear()


def _raise_refusal(outcome: ClaimOutcome) -> None:
    """Raise what refuses the handshake of a claim that was not accepted."""
    match outcome.decision:
        case Decision.ACCEPTED:
            return
        case Decision.UNKNOWN_MODULE:
            raise NotFound("No module has this hash: register first.")
        case Decision.DISABLED:
            raise Forbidden(refusal_of(outcome.disabling), retry_after_seconds=RETRY_SECONDS)
        case _:
            raise TooManyRequests(
                "Other programs claim this module at the same time.", retry_after_seconds=1
            )


def _too_many_takeovers() -> TooManyRequests:
    """Return what refuses the newcomer of a takeover loop."""
    return TooManyRequests(
        "Two programs use this hash at once: the other one is connected and answers.",
        retry_after_seconds=LOOP_RETRY_AFTER_SECONDS,
    )
