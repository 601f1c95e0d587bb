"""Record heartbeats, and when modules gave results, flush by flush."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.domain.ids import ModuleHash
from shared.store import Store, batch_timeout


def record_heartbeats(store: Store, heartbeats: Mapping[datetime, Sequence[ModuleHash]]) -> None:
    """Record heartbeats, given per second; nothing stays of a module that was deleted meanwhile."""
    made = store.heartbeats.record(heartbeats)
    # Looked for after the insert: a deletion removes the heartbeat after the module, so one of
    # the two sees what the other did.
    for module_hash in set(made) - store.modules.names(made).keys():
        store.heartbeats.remove(module_hash)


def record_executions(
    store: Store, by_second: Mapping[datetime, Sequence[ModuleHash]], *, is_listed: bool
) -> None:
    """Write down when modules' results were stored; the listings are made anew if `is_listed`."""
    with batch_timeout():
        store.heartbeats.note_executions(by_second)
        if is_listed:
            store.counters.note_registry_change()
