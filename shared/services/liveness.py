"""Sessions begin and end, pulses are kept, orders are carried: what a node does in batches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.close_codes import CloseCode
from shared.domain.event import Event, came_online, went_offline
from shared.domain.liveness import TAKEOVERS_ALLOWED, Node, count_recent_takeovers
from shared.domain.module import ModuleHash, NodeId, OfflineReason, Session, SessionId
from shared.domain.order import Order
from shared.domain.session import (
    Claim,
    ClaimOutcome,
    SessionEnd,
    SessionRecord,
    SessionStart,
    Verdict,
)
from shared.store import Store, batch_timeout


@dataclass(frozen=True, kw_only=True)
class NodeView:
    """What a node knows that the database does not: itself, its sockets, the looping window."""

    node: NodeId
    holds: Callable[[SessionId], bool]
    takeover_window: timedelta


def write_batch(
    store: Store,
    view: NodeView,
    claims: Sequence[Claim],
    ends: Sequence[SessionEnd],
    now: datetime,
    *,
    replaced: Sequence[SessionEnd] = (),
) -> list[ClaimOutcome]:
    """Bind and end sessions (at most one operation per module), in a handful of round trips.

    `replaced` are ends that need no write of their own, because a claim of the batch overwrites
    their sessions; they are recorded all the same.

    An end is recorded before it is written and a start after: whoever is killed in between leaves
    an event that is true, or a session that a sweep will end.
    """
    with batch_timeout():
        records = store.modules.read_sessions(c.module_hash for c in claims) if claims else {}
        sight = _look_around(store, view, records, now)
        outcomes = [_decide(claim, records.get(claim.module_hash), sight) for claim in claims]
        bound = [outcome for outcome in outcomes if outcome.verdict is Verdict.BOUND]
        store.events.record([end_event(e) for e in (*ends, *replaced) if e.is_certain])
        starts = [_start(outcome, records, sight) for outcome in bound]
        held = store.modules.write_sessions(starts, ends)
        if held < len(starts) + len(ends) and starts:
            outcomes = _check_landed(store, outcomes)
            bound = [outcome for outcome in outcomes if outcome.verdict is Verdict.BOUND]
        _follow_up(store, sight, bound)
        if bound or ends:
            store.counters.note_registry_change()
    return outcomes


def end_event(end: SessionEnd) -> Event:
    """Return the event of a session's end."""
    detail = {"peer": end.peer} if end.peer else None
    return went_offline(end.module_hash, end.epoch, end.at, end.reason, detail)


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a batch sees: its own node's view, and the documents of the other nodes."""

    view: NodeView
    nodes: Mapping[NodeId, Node]
    now: datetime

    def is_live(self, session: Session) -> bool:
        """Return whether a session looks alive from here: a socket held, or another living node."""
        return self.view.holds(session.id) or self.is_neighbour(session.node)

    def is_neighbour(self, node: NodeId) -> bool:
        """Return whether this is another node, and alive."""
        found = self.nodes.get(node)
        return node != self.view.node and found is not None and found.is_alive(self.now)

    def is_takeover(self, claim: Claim, previous: Session | None) -> bool:
        """Return whether a claim ends another session that looks alive."""
        return previous is not None and previous.id != claim.session.id and self.is_live(previous)

    def reason_of_end(self, previous: Session) -> OfflineReason:
        """Return why a session is over that a newer one has just overwritten."""
        if self.is_live(previous):
            return OfflineReason.REPLACED
        if previous.node == self.view.node:
            return OfflineReason.CONNECTION_LOST
        node = self.nodes.get(previous.node)
        # A stopping node has said why its sessions end before it has written their ends.
        return node.offline_reason if node is not None else OfflineReason.NODE_LOST


def _look_around(
    store: Store, view: NodeView, records: Mapping[ModuleHash, SessionRecord], now: datetime
) -> Sight:
    others = {r.session.node for r in records.values() if r.session} - {view.node}
    nodes = {node.id: node for node in store.nodes.all()} if others else {}
    return Sight(view=view, nodes=nodes, now=now)


def _decide(claim: Claim, record: SessionRecord | None, sight: Sight) -> ClaimOutcome:
    if record is None:
        return ClaimOutcome(claim=claim, verdict=Verdict.UNKNOWN_MODULE)
    verdict, epoch = Verdict.BOUND, record.epoch + 1
    if not record.enabled:
        verdict = Verdict.DISABLED
    elif claim.floor_epoch is not None and record.epoch > claim.floor_epoch:
        verdict = Verdict.SUPERSEDED
    elif claim.floor_epoch is not None:
        epoch = claim.floor_epoch + 1
    elif (
        not claim.confirmed
        and sight.is_takeover(claim, record.session)
        and _count_takeovers(record, sight) >= TAKEOVERS_ALLOWED
    ):
        verdict = Verdict.LOOPING
    return ClaimOutcome(claim=claim, verdict=verdict, epoch=epoch, previous=record.session)


def _count_takeovers(record: SessionRecord, sight: Sight) -> int:
    return count_recent_takeovers(record.takeovers, sight.now, sight.view.takeover_window)


def _start(
    outcome: ClaimOutcome, records: Mapping[ModuleHash, SessionRecord], sight: Sight
) -> SessionStart:
    claim = outcome.claim
    return SessionStart(
        module_hash=claim.module_hash,
        session=claim.session,
        epoch_before=records[claim.module_hash].epoch,
        epoch=outcome.epoch,
        is_takeover=sight.is_takeover(claim, outcome.previous),
    )


def _check_landed(store: Store, outcomes: Sequence[ClaimOutcome]) -> list[ClaimOutcome]:
    """Read back which claims landed: not every guard of the batch held."""
    bound = [o.claim.module_hash for o in outcomes if o.verdict is Verdict.BOUND]
    stored = store.modules.read_sessions(bound)

    def landed(outcome: ClaimOutcome) -> bool:
        record = stored.get(outcome.claim.module_hash)
        return bool(
            record
            and record.session
            and record.session.id == outcome.claim.session.id
            and record.epoch == outcome.epoch
        )

    return [
        ClaimOutcome(claim=o.claim, verdict=Verdict.OUTRUN)
        if o.verdict is Verdict.BOUND and not landed(o)
        else o
        for o in outcomes
    ]


def _follow_up(store: Store, sight: Sight, bound: Sequence[ClaimOutcome]) -> None:
    """Record what the new sessions mean, and have other nodes close the sockets they replace."""
    events: list[Event] = []
    orders: list[Order] = []
    for outcome in bound:
        claim, previous = outcome.claim, outcome.previous
        session = claim.session
        if previous is not None and previous.id != session.id:
            events.append(_replaced_event(outcome, previous, sight))
            if sight.is_neighbour(previous.node):
                orders.append(
                    Order(
                        session=previous.id,
                        node=previous.node,
                        module_hash=claim.module_hash,
                        created_at=sight.now,
                        close_code=CloseCode.REPLACED,
                    )
                )
        events.append(
            came_online(
                claim.module_hash,
                outcome.epoch,
                session.connected_at,
                node=session.node,
                peer=session.peer,
            )
        )
    store.events.record(events)
    store.orders.give(orders)


def _replaced_event(outcome: ClaimOutcome, previous: Session, sight: Sight) -> Event:
    claim = outcome.claim
    return went_offline(
        claim.module_hash,
        outcome.epoch - 1,
        claim.session.connected_at,
        sight.reason_of_end(previous),
        {"peer": previous.peer, "replaced_by": claim.session.peer},
    )
