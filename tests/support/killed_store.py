"""A store whose user is killed between two of its writes."""

from typing import Any

from shared.store import Store

DELIVERIES = (
    "mark_sent",
    "acknowledge",
    "note_pushed",
    "requeue",
    "take_back",
    "address",
    "finish",
)
EXECUTIONS = (
    "move",
    "replace",
    "replace_all",
    "count_failure",
    "end_failures",
    "pause",
    "request_cancel",
    "forget",
)


class KilledStore:
    """A store whose user is killed at one of the calls that write."""

    def __init__(self, store: Store, calls_survived: int) -> None:
        self._left = calls_survived
        self.modules = store.modules
        self.sessions = Killed(store.sessions, self)
        self.events = Killed(store.events, self)
        self.counters = Killed(store.counters, self)
        self.node_commands = Killed(store.node_commands, self)
        self.nodes = Killed(store.nodes, self)
        self.deliveries = Killed(store.deliveries, self)
        self.results = Killed(store.results, self)
        self.messages = Killed(store.messages, self)
        self.message_deadlines = Killed(store.message_deadlines, self)
        self.workflows = Killed(store.workflows, self)
        self.due_workflows = Killed(store.due_workflows, self)
        self.executions = Killed(store.executions, self)
        self.tallies = Killed(store.tallies, self)
        self.heartbeats = store.heartbeats

    def count_write(self) -> None:
        """Let one write through, or die instead of it."""
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1


class Killed:
    """One collection of such a store."""

    WRITES = (
        "record",
        "write",
        "note_registry_change",
        "remove",
        "insert",
        *DELIVERIES,
        *EXECUTIONS,
    )

    def __init__(self, collection: Any, store: KilledStore) -> None:
        self._collection = collection
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if name in self.WRITES:
            self._store.count_write()
        return getattr(self._collection, name)
