"""Sessions start and end: the claims and ends of a node, written in batches."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.closing import REPLACED, OfflineReason
from shared.domain.event import Event, came_online, went_offline
from shared.domain.ids import ModuleHash, NodeId, SessionId
from shared.domain.node import Node
from shared.domain.node_command import NodeCommand
from shared.domain.session import (
    TAKEOVERS_ALLOWED,
    Claim,
    ClaimOutcome,
    Decision,
    Overwritten,
    Session,
    SessionEnd,
    SessionRecord,
    SessionStart,
    count_recent_takeovers,
)
from shared.services.delivery import requeue
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
    superfluous: Sequence[SessionEnd] = (),
) -> list[ClaimOutcome]:
    """Start and end sessions (at most one operation per module), in a handful of round trips.

    `superfluous` are ends that need no write of their own, because a claim of the batch overwrites
    their sessions; they are recorded all the same.

    An end is recorded before it is written and a start after: a process that is killed in between
    leaves an event that is true, or a session that a sweep ends and records whole.
    """
    with batch_timeout():
        doubtful = [end for end in ends if end.is_doubtful]
        asked = [c.module_hash for c in claims] + [end.module_hash for end in doubtful]
        records = store.sessions.read(asked) if asked else {}
        ends = [e for e in ends if not e.is_doubtful] + _find_written(doubtful, records)
        context = _read_context(store, view, records, now)
        outcomes = [_decide(claim, records.get(claim.module_hash), context) for claim in claims]
        accepted = [outcome for outcome in outcomes if outcome.decision is Decision.ACCEPTED]
        certain = [*ends, *(end for end in superfluous if not end.is_doubtful)]
        unknown = [records[end.module_hash] for end in ends if end.is_doubtful]
        store.events.record(start_events(unknown) + [end_event(end) for end in certain])
        starts = [
            _start(outcome, records[outcome.claim.module_hash], context)
            for outcome in accepted
            if not records[outcome.claim.module_hash].is_session_of(outcome.claim)
        ]
        held = store.sessions.write(starts, ends)
        if held < len(starts) + len(ends) and starts:
            outcomes = _check_landed(store, outcomes)
            accepted = [outcome for outcome in outcomes if outcome.decision is Decision.ACCEPTED]
        _follow_up(store, context, accepted, records)
        _requeue_unacknowledged(store, [*ends, *superfluous], now)
        if accepted or ends:
            store.counters.note_registry_change()
    return outcomes


def _requeue_unacknowledged(store: Store, ends: Iterable[SessionEnd], now: datetime) -> None:
    """Put back what was sent in sessions that ended; the modules may be on other nodes already."""
    if tried := [(end.module_hash, one) for end in ends for one in end.unacknowledged]:
        requeue(store, tried, now)


def _find_written(
    doubtful: Sequence[SessionEnd], records: Mapping[ModuleHash, SessionRecord]
) -> list[SessionEnd]:
    """Return the ends of those doubtful sessions that were written, with their epochs."""
    written = []
    for end in doubtful:
        record = records.get(end.module_hash)
        if record is not None and record.session and record.session.id == end.session_id:
            written.append(replace(end, epoch=record.epoch))
    return written


def start_events(records: Iterable[SessionRecord]) -> list[Event]:
    """Return the events of stored sessions' starts, which their writers may not have recorded.

    Each is preceded by the end of the session that it overwrote.
    """
    events = []
    for record in records:
        if record.session is None:
            continue
        module_hash, since = record.module_hash, record.state_since
        if (old := record.overwritten) is not None:
            events.append(went_offline(module_hash, old.epoch, old.at, old.reason))
        events.append(_online_event(module_hash, record.epoch, record.session, since))
    return events


def _online_event(module_hash: ModuleHash, epoch: int, session: Session, at: datetime) -> Event:
    return came_online(module_hash, epoch, at, node=session.node, peer=session.peer)


def end_event(end: SessionEnd) -> Event:
    """Return the event of a session's end."""
    detail = {"peer": end.peer} if end.peer else {}
    return went_offline(
        end.module_hash,
        end.epoch,
        end.at,
        end.reason,
        actor=end.actor,
        detail={**detail, **end.detail},
    )


@dataclass(frozen=True, kw_only=True)
class ClaimContext:
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

    def begin_of(self, claim: Claim) -> datetime:
        """Return when the session of a claim begins to be online."""
        return self.now if claim.is_rebind else claim.session.connected_at

    def end_of(
        self, previous: Session, online_since: datetime, claim: Claim
    ) -> tuple[OfflineReason, datetime]:
        """Return why and when a session ended that this claim has just overwritten."""
        begin = self.begin_of(claim)
        if self.is_takeover(claim, previous):
            return OfflineReason.REPLACED, begin
        if previous.node == self.view.node:
            return OfflineReason.CONNECTION_LOST, begin
        node = self.nodes.get(previous.node)
        if node is None:
            return OfflineReason.NODE_LOST, begin
        # A stopping node has said why its sessions end before it has written their ends.
        return node.offline_reason, min(begin, node.end_of_session(online_since))


def _read_context(
    store: Store, view: NodeView, records: Mapping[ModuleHash, SessionRecord], now: datetime
) -> ClaimContext:
    others = {r.session.node for r in records.values() if r.session} - {view.node}
    nodes = {node.id: node for node in store.nodes.all()} if others else {}
    return ClaimContext(view=view, nodes=nodes, now=now)


def _decide(claim: Claim, record: SessionRecord | None, context: ClaimContext) -> ClaimOutcome:
    if record is None:
        return ClaimOutcome(claim=claim, decision=Decision.UNKNOWN_MODULE)
    decision, epoch = Decision.ACCEPTED, record.epoch + 1
    if not record.enabled:
        decision = Decision.DISABLED
    elif record.is_session_of(claim):
        epoch = record.epoch  # an earlier attempt wrote it, and its answer was lost
    elif claim.held_epoch is not None and record.epoch > claim.held_epoch:
        decision = Decision.SUPERSEDED
    elif claim.held_epoch is not None:
        epoch = claim.held_epoch + 1
    elif (
        not claim.is_probed
        and context.is_takeover(claim, record.session)
        and _count_takeovers(record, context) >= TAKEOVERS_ALLOWED
    ):
        decision = Decision.LOOPING
    return ClaimOutcome(
        claim=claim,
        decision=decision,
        epoch=epoch,
        previous=record.session,
        disabling=record.disabling,
    )


def _count_takeovers(record: SessionRecord, context: ClaimContext) -> int:
    return count_recent_takeovers(record.takeovers, context.now, context.view.takeover_window)


def _start(outcome: ClaimOutcome, record: SessionRecord, context: ClaimContext) -> SessionStart:
    claim, overwritten = outcome.claim, None
    if record.session is not None:
        reason, at = context.end_of(record.session, record.state_since, claim)
        overwritten = Overwritten(epoch=record.epoch, reason=reason, at=at)
    return SessionStart(
        module_hash=claim.module_hash,
        session=claim.session,
        epoch_before=record.epoch,
        epoch=outcome.epoch,
        overwritten=overwritten,
        is_takeover=context.is_takeover(claim, outcome.previous),
        rebound_at=context.now if claim.is_rebind else None,
    )


def _check_landed(store: Store, outcomes: Sequence[ClaimOutcome]) -> list[ClaimOutcome]:
    """Read back which claims landed: not every guard of the batch held."""
    bound = [o.claim.module_hash for o in outcomes if o.decision is Decision.ACCEPTED]
    stored = store.sessions.read(bound)

    def landed(outcome: ClaimOutcome) -> bool:
        record = stored.get(outcome.claim.module_hash)
        return bool(
            record
            and record.session
            and record.session.id == outcome.claim.session.id
            and record.epoch == outcome.epoch
        )

    return [
        ClaimOutcome(claim=o.claim, decision=Decision.OUTRUN)
        if o.decision is Decision.ACCEPTED and not landed(o)
        else o
        for o in outcomes
    ]


def _follow_up(
    store: Store,
    context: ClaimContext,
    accepted: Sequence[ClaimOutcome],
    records: Mapping[ModuleHash, SessionRecord],
) -> None:
    """Record what the new sessions mean, and have other nodes close the sockets they replace."""
    events: list[Event] = []
    commands: list[NodeCommand] = []
    for outcome in accepted:
        claim, record = outcome.claim, records[outcome.claim.module_hash]
        if record.is_session_of(claim):
            events += start_events([record])
            continue
        if record.session is not None:
            # What another process wrote, it may not have lived to record.
            if not context.view.holds(record.session.id):
                events += start_events([record])
            events.append(_replaced_event(claim, record, record.session, context))
            commands += _commands_to_close(claim, record.session, context)
        begin = context.begin_of(claim)
        events.append(_online_event(claim.module_hash, outcome.epoch, claim.session, begin))
    store.events.record(events)
    store.node_commands.insert(commands)


def _commands_to_close(claim: Claim, previous: Session, context: ClaimContext) -> list[NodeCommand]:
    """Return what has another node close the socket that was replaced; the own one knows."""
    if previous.id == claim.session.id or not context.is_neighbour(previous.node):
        return []
    command = NodeCommand(
        session=previous.id,
        node=previous.node,
        module_hash=claim.module_hash,
        created_at=context.now,
        closing=REPLACED,
    )
    return [command]


def _replaced_event(
    claim: Claim, record: SessionRecord, previous: Session, context: ClaimContext
) -> Event:
    reason, at = context.end_of(previous, record.state_since, claim)
    detail = {"peer": previous.peer, "replaced_by": claim.session.peer}
    return went_offline(claim.module_hash, record.epoch, at, reason, detail=detail)
