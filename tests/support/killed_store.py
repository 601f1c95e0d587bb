"""A store whose user is killed between two of its writes."""

from typing import Any

from shared.store import Store

# Everything else is a write: one that is new is killed at, too.
READS = frozenset(
    {
        *("get", "read", "all", "find", "parse", "stream", "count", "glance", "names", "entries"),
        *("after", "brief", "connected", "count_open", "due_between", "due_numbers", "due_soon"),
        *("epochs", "read_due"),
        *("estimate", "everywhere", "get_by_module_id", "glance_between", "hashes", "hours"),
        *("is_empty", "last_before", "missing_indexes", "modules_starting_with", "named"),
        *("newest", "of", "over_among", "of_hashes", "of_kind_since", "of_module_since", "of_node"),
        *("of_nodes_not_among", "of_subjects", "open_of", "orphaned", "overdue"),
        *("present", "queued_among", "queued_for", "queued_lately", "stored_for"),
        *("read_answer", "read_ends", "read_marker", "read_sent", "reasons", "registrations"),
        *("sent_by", "stream_on_nodes", "taken_numbers", "to_be_cancelled", "unfinished"),
        *("unfinished_due_times", "unfinished_of", "unnoted_among", "unnoted_ends", "watch"),
    }
)


class KilledStore:
    """A store whose user is killed at one of the calls that write."""

    def __init__(self, store: Store, calls_survived: int) -> None:
        self._store = store
        self._left = calls_survived

    def __getattr__(self, name: str) -> "Killed":
        return Killed(getattr(self._store, name), self)

    def count_write(self) -> None:
        """Let one write through, or die instead of it."""
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1


class Killed:
    """One collection of such a store."""

    def __init__(self, collection: Any, store: KilledStore) -> None:
        self._collection = collection
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if name not in READS:
            self._store.count_write()
        return getattr(self._collection, name)
