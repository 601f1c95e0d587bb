"""Work is accepted: messages are stored, and addressed to the nodes that hold their modules."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from shared.domain.ids import ModuleHash, NodeId
from shared.domain.message import Message
from shared.store import Store


def queue_messages(store: Store, messages: Sequence[Message]) -> int:
    """Store messages that do not exist yet; return how many those were.

    Each is addressed to the node of its module's session as it was read before. A session that
    began in between either finds the message when it asks for its queue, or is found here, by
    reading the sessions once more.
    """
    hashes = {message.module_hash for message in messages}
    nodes = read_nodes(store, hashes)
    addressed = [replace(message, node=nodes.get(message.module_hash)) for message in messages]
    inserted = store.messages.insert(addressed)
    address_queues(store, hashes, nodes)
    return inserted


def read_nodes(store: Store, hashes: Iterable[ModuleHash]) -> dict[ModuleHash, NodeId | None]:
    """Return the nodes that hold the sessions of these modules; None for one without a session."""
    records = store.sessions.read(hashes)
    return {h: record.session.node if record.session else None for h, record in records.items()}


def address_queues(
    store: Store, hashes: Iterable[ModuleHash], known: dict[ModuleHash, NodeId | None]
) -> None:
    """Address what waits for modules whose sessions have moved since they were read."""
    now = read_nodes(store, hashes)
    moved: dict[NodeId | None, list[ModuleHash]] = {}
    for module_hash, node in now.items():
        if known.get(module_hash) != node:
            moved.setdefault(node, []).append(module_hash)
    for node, some in moved.items():
        store.messages.address(some, node)
