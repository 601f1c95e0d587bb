"""Messages on their way: attempts are recorded, taken back, and handed on to other nodes."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from shared.domain.delivery import Outgoing, Push, Tried
from shared.domain.ids import MessageId, ModuleHash, NodeId
from shared.domain.message import Message, MessageStatus
from shared.domain.result import end_of_cancelled
from shared.services.ending import end_messages, follow_results
from shared.services.queueing import read_nodes
from shared.store import Store, batch_timeout

RELEASED_AT_ONCE = 500


def record_attempts(
    store: Store, pushes: Sequence[Push], node: NodeId, push: str, now: datetime
) -> list[Outgoing]:
    """Record an attempt of each message; return those whose frames may go out now.

    The others were cancelled, have expired, or are another node's by now.
    """
    with batch_timeout():
        _mend_ended(store, pushes, now)
        store.deliveries.mark_sent(pushes, node, push, now)
        return store.deliveries.read_sent([one.message.id for one in pushes], push)


def _mend_ended(store: Store, pushes: Sequence[Push], now: datetime) -> None:
    """End what has a result: the process that stored it was killed before it ended the message."""
    tried = [one.message.id for one in pushes if one.message.attempt]
    if tried:
        follow_results(store, store.results.read(tried).values(), now)


def undo_attempts(store: Store, pushes: Sequence[Push], push: str, now: datetime) -> None:
    """Put messages back into the queue whose attempts may have been recorded or not."""
    with batch_timeout():
        store.deliveries.take_back([one.message.id for one in pushes], push, now)
        again = [one.message for one in pushes if one.is_again]
        store.deliveries.requeue([Tried(id=m.id, attempt=m.attempt) for m in again], now)


def requeue(store: Store, tried: Sequence[tuple[ModuleHash, Tried]], now: datetime) -> None:
    """Put attempts back into their modules' queues, and tell the nodes where the modules are now.

    What is to be given up ends instead: no other session begins it.
    """
    modules = {one.id: module_hash for module_hash, one in tried}
    store.deliveries.requeue([one for _, one in tried], now)
    _end_cancelled(store, [one for _, one in tried], now)
    address(store, modules, now)


def _end_cancelled(store: Store, tried: Iterable[Tried], now: datetime) -> None:
    attempts = {one.id: one.attempt for one in tried}
    cancelled = [
        message
        for message in store.deliveries.read(attempts).values()
        if message.cancel_requested_at is not None
        and (message.status, message.attempt) == (MessageStatus.SENT, attempts[message.id])
    ]
    end_messages(store, [end_of_cancelled(message, now) for message in cancelled], now)


def address(store: Store, modules: dict[MessageId, ModuleHash], now: datetime) -> None:
    """Tell the nodes that hold these modules' sessions what waits for them."""
    nodes = read_nodes(store, set(modules.values()))
    by_node: dict[NodeId, list[MessageId]] = defaultdict(list)
    for message_id, module_hash in modules.items():
        if (node := nodes.get(module_hash)) is not None:
            by_node[node].append(message_id)
    for node, ids in by_node.items():
        store.deliveries.address(ids, node, now)


def release_node(store: Store, node: NodeId, now: datetime) -> bool:
    """Take back some of what a node had that is gone; True while work is left.

    What its modules acknowledged stays theirs: they may come back with the results.
    """
    with batch_timeout():
        sent = store.deliveries.sent_by(node, RELEASED_AT_ONCE)
        _release(store, sent, now)
    return len(sent) == RELEASED_AT_ONCE


def release_orphans(store: Store, now: datetime) -> bool:
    """Take back some messages of nodes that have no document; True while work is left."""
    with batch_timeout():
        known = [node.id for node in store.nodes.all()]
        orphans = store.deliveries.of_nodes_not_among(known, RELEASED_AT_ONCE)
        if orphans:  # a node enrols before it sends, so one that enrolled meanwhile is known now
            known = [node.id for node in store.nodes.all()]
            orphans = [message for message in orphans if message.node not in known]
        _release(store, orphans, now)
    return len(orphans) >= RELEASED_AT_ONCE


def _release(store: Store, messages: Sequence[Message], now: datetime) -> None:
    """Put messages into the queue, without a node unless their module has one."""
    queued = [m for m in messages if m.status is MessageStatus.QUEUED]
    sent = [m for m in messages if m.status is MessageStatus.SENT]
    store.deliveries.address([m.id for m in queued], None, now)
    address(store, {m.id: m.module_hash for m in queued}, now)
    requeue(store, [(m.module_hash, Tried(id=m.id, attempt=m.attempt)) for m in sent], now)
