"""Indexes and counters for a test's database, at once: `prepare_database` would wait its turn."""

from shared.store import Store


def create_indexes(store: Store) -> None:
    """Create every index and every counter that does not exist."""
    for name, model in store.indexes._models.items():
        store._database[name.partition(".")[0]].create_indexes([model])
    store.counters.ensure()
