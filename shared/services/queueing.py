"""Messages are stored, and addressed to the nodes that hold their modules.

The sessions are read before messages are stored, and again afterwards. A session that began in
between either finds the messages when it asks for its queue, or is found by that second look, which
then addresses them anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from shared.clock import utc_now
from shared.domain.ids import MessageId, ModuleHash, NodeId
from shared.domain.message import Message
from shared.store import Store


def queue_messages(
    store: Store,
    messages: Sequence[Message],
    known: Mapping[ModuleHash, NodeId | None] | None = None,
) -> int:
    """Store messages that do not exist yet, addressed; return how many those were.

    `known` are the nodes of the modules, if the caller has just read them.
    """
    hashes = {message.module_hash for message in messages}
    nodes = read_nodes(store, hashes) if known is None else known
    addressed = [replace(message, node=nodes.get(message.module_hash)) for message in messages]
    # A worker may make good for another one that was killed: its messages were created long ago.
    inserted = store.messages.insert(addressed, queued_at=utc_now())
    address_moved(store, addressed, read_nodes(store, hashes), utc_now())
    return inserted


def read_nodes(store: Store, hashes: Iterable[ModuleHash]) -> dict[ModuleHash, NodeId | None]:
    """Return the nodes that hold the sessions of these modules; None for one without a session."""
    records = store.sessions.read(hashes)
    return {h: record.session.node if record.session else None for h, record in records.items()}


def address_moved(
    store: Store,
    messages: Iterable[Message],
    nodes: Mapping[ModuleHash, NodeId | None],
    now: datetime,
) -> None:
    """Address the messages anew whose modules' sessions have moved since they were read."""
    moved: dict[NodeId | None, list[MessageId]] = {}
    for message in messages:
        node = nodes.get(message.module_hash)
        if node != message.node:
            moved.setdefault(node, []).append(message.id)
    for node, ids in moved.items():
        store.deliveries.address(ids, node, now)
