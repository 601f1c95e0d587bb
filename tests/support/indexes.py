"""Indexes and counters for a test's database, at once: `prepare_database` would wait its turn."""

from collections import defaultdict

from pymongo import IndexModel

from shared.store import Store


def create_indexes(store: Store) -> None:
    """Create every index and every counter, on a database that has none."""
    models: defaultdict[str, list[IndexModel]] = defaultdict(list)
    for name, model in store.indexes._models.items():
        models[name.partition(".")[0]].append(model)
    for collection, wanted in models.items():
        store._database[collection].create_indexes(wanted)
    store.counters.ensure()
