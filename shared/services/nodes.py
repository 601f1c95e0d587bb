"""The life of a node: enrolled, renewed, retired, or declared dead and swept."""

from collections.abc import Sequence
from datetime import datetime

from shared.domain.closing import OfflineReason
from shared.domain.event import node_changed
from shared.domain.ids import NodeId
from shared.domain.node import Node
from shared.domain.session import SessionEnd, SessionRecord
from shared.services.sessions import end_event
from shared.store import Store, batch_timeout

SWEEP_SLICE = 50
SLICES_PER_SWEEP = 10


def enrol_node(store: Store, node: Node, now: datetime) -> None:
    """Enrol a node that has bound its port; a node that had the address before is dead."""
    store.nodes.enrol(node)
    store.nodes.declare_predecessors_dead(node.address, node.id)
    store.events.record([node_changed(node.id, "enrolled", now)])


def declare_node_dead(store: Store, node: NodeId, renewals: int, now: datetime) -> bool:
    """Declare a node dead unless it renewed its lease; False when it did, or another was first."""
    if not store.nodes.declare_dead(node, renewals):
        return False
    store.events.record([node_changed(node, "lost", now, OfflineReason.NODE_LOST)])
    return True


def sweep(store: Store, now: datetime) -> bool:
    """Take some of a dead or vanished node's modules offline; True while work is left."""
    with batch_timeout():
        nodes = store.nodes.all()
        for node in nodes:
            if node.dead:
                sweep_node(store, node, now)
                return True  # another one may be dead, or have left orphans
        return _end_slices(store, _find_orphans(store, nodes), OfflineReason.NODE_LOST, now)


def sweep_node(store: Store, node: Node, now: datetime) -> bool:
    """Take some of a dead node's modules offline; its document goes last.

    A process that is killed in between leaves the work visible to the next sweep.
    """
    if not _end_slices(store, store.sessions.of_node(node.id), node.offline_reason, now):
        store.node_commands.remove_of_node(node.id)
        store.nodes.remove(node.id)
        return False
    return True


def _find_orphans(store: Store, nodes: Sequence[Node]) -> list[SessionRecord]:
    orphans = store.sessions.orphaned([node.id for node in nodes])
    if not orphans:
        return []
    # A node enrols before its first session, so one that enrolled meanwhile is known now.
    known = {node.id for node in store.nodes.all()}
    return [record for record in orphans if record.session and record.session.node not in known]


def _end_slices(
    store: Store, records: Sequence[SessionRecord], reason: OfflineReason, now: datetime
) -> bool:
    """End the first sessions in slices, each guarded by session and node; False if none are left."""
    for start in range(0, min(len(records), SWEEP_SLICE * SLICES_PER_SWEEP), SWEEP_SLICE):
        ends = [
            SessionEnd(
                module_hash=record.module_hash,
                session_id=record.session.id,
                epoch=record.epoch,
                reason=reason,
                at=now,
                peer=record.session.peer,
                node=record.session.node,
            )
            for record in records[start : start + SWEEP_SLICE]
            if record.session
        ]
        store.events.record([end_event(end) for end in ends])
        store.sessions.write([], ends)
        store.counters.note_registry_change()
    return bool(records)


def announce_retirement(store: Store, node: Node, now: datetime) -> None:
    """Fix the reason for which the own, stopping node's sessions end, whichever node ends them."""
    store.nodes.retire(node.id, node.offline_reason)
    store.events.record([node_changed(node.id, "retired", now, node.offline_reason)])


def retire_node(store: Store, node: Node, now: datetime) -> bool:
    """Take some of the own, stopping node's modules offline; True while work is left."""
    with batch_timeout():
        announce_retirement(store, node, now)
        return sweep_node(store, node, now)
