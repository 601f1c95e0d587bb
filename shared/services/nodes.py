"""The life of a node: enrolled, renewed, retired, or declared dead and swept."""

from collections.abc import Sequence
from datetime import datetime

from shared.domain.closing import OfflineReason
from shared.domain.event import Event, node_changed
from shared.domain.node import Node
from shared.domain.session import Session, SessionEnd, SessionRecord
from shared.services.delivery import release_node
from shared.services.sessions import end_event, start_events
from shared.store import Store, batch_timeout

SWEEP_SLICE = 50
SLICES_PER_SWEEP = 10


def enrol_node(store: Store, node: Node, now: datetime) -> None:
    """Enrol a node, before its first session."""
    store.nodes.enrol(node)
    store.events.record([node_changed(node.id, "enrolled", now)])


def replace_predecessors(store: Store, node: Node, now: datetime) -> None:
    """Declare dead the nodes that had the address of a process that has just bound it.

    Only a process that starts may do so: a port that it bound long ago proves nothing about later nodes.
    """
    gone = [
        other
        for other in store.nodes.all()
        if other.address == node.address and other.id != node.id and not other.dead
    ]
    if not gone:
        return
    store.events.record([_lost_event(other, now) for other in gone])
    store.nodes.declare_predecessors_dead(node.address, node.id, now)


def declare_node_dead(store: Store, node: Node, now: datetime) -> bool:
    """Declare a node dead unless it renewed its lease; False when it did, or another was first."""
    if not store.nodes.declare_dead(node.id, node.renewals, now):
        return False
    store.events.record([_lost_event(node, now)])
    return True


def sweep(store: Store, now: datetime) -> bool:
    """Take some modules of the dead nodes offline; True while work is left."""
    return any(sweep_node(store, node, now) for node in store.nodes.all() if node.dead)


def sweep_node(store: Store, node: Node, now: datetime) -> bool:
    """Take some of a dead node's modules offline as of the end of its lease; its document goes last.

    What it had sent and no module acknowledged goes back into the queues.

    Return whether to go on at once: not when no session could be ended. A process that is killed in
    between leaves the work visible to the next sweep.
    """
    with batch_timeout():
        records = store.sessions.of_node(node.id, limit=SWEEP_SLICE * SLICES_PER_SWEEP)
    if records:
        return _end_in_slices(store, records, node.offline_reason, node.lease_until) > 0
    if release_node(store, node.id, now):
        return True
    # Again, in case the process that wrote this last was killed just after it.
    store.events.record([_end_event_of(node)])
    store.counters.note_registry_change()
    store.nodes.remove(node.id)
    return False


def sweep_orphans(store: Store, now: datetime) -> bool:
    """Take some modules offline whose node has no document; True while work is left.

    That is rare, a claim that was under way while its node was swept, and the search is expensive.
    """
    with batch_timeout():
        orphans = _find_orphans(store)
    first = orphans[: SWEEP_SLICE * SLICES_PER_SWEEP]
    _end_in_slices(store, first, OfflineReason.NODE_LOST, now)
    return len(first) < len(orphans)


def _find_orphans(store: Store) -> list[SessionRecord]:
    orphans = store.sessions.orphaned([node.id for node in store.nodes.all()])
    if not orphans:
        return []
    # A node enrols before its first session, so one that enrolled meanwhile is known now.
    known = {node.id for node in store.nodes.all()}
    return [record for record in orphans if record.session and record.session.node not in known]


def _end_in_slices(
    store: Store, records: Sequence[SessionRecord], reason: OfflineReason, at: datetime
) -> int:
    """End sessions in slices, each guarded by session and node, with a whole history.

    The process that wrote a session may have been killed before it recorded its start. Return how
    many guards held.
    """
    held = 0
    for start in range(0, len(records), SWEEP_SLICE):
        part = records[start : start + SWEEP_SLICE]
        ends = [_end_of(record, record.session, reason, at) for record in part if record.session]
        with batch_timeout():
            store.events.record(start_events(part) + [end_event(end) for end in ends])
            held += store.sessions.write([], ends)
            store.counters.note_registry_change()
    return held


def _end_of(
    record: SessionRecord, session: Session, reason: OfflineReason, at: datetime
) -> SessionEnd:
    return SessionEnd(
        module_hash=record.module_hash,
        session_id=session.id,
        epoch=record.epoch,
        reason=reason,
        at=max(at, record.state_since),
        peer=session.peer,
        node=session.node,
    )


def _lost_event(node: Node, now: datetime) -> Event:
    at = min(node.lease_until, now)
    return node_changed(node.id, "lost", at, OfflineReason.NODE_LOST)


def _end_event_of(node: Node) -> Event:
    is_lost = node.offline_reason is OfflineReason.NODE_LOST
    return node_changed(
        node.id, "lost" if is_lost else "retired", node.lease_until, node.offline_reason
    )


def announce_retirement(store: Store, node: Node, now: datetime) -> None:
    """Fix the reason for which the own, stopping node's sessions end, whichever node ends them.

    A node that was declared dead before keeps the reason that a sweep may have begun to write.
    """
    if store.nodes.retire(node.id, node.offline_reason, now):
        store.events.record([node_changed(node.id, "retired", now, node.offline_reason)])


def retire_node(store: Store, node: Node, now: datetime) -> bool:
    """Take some of the own node's modules offline, whose end is announced; True while work is left."""
    with batch_timeout():
        stored = store.nodes.get(node.id)
    return stored is not None and sweep_node(store, stored, now)
