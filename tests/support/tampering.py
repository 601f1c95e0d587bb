"""What tests do to the database behind the platform's back."""

from shared.domain.ids import ModuleHash
from shared.store import Store


def remove_module(store: Store, module_hash: ModuleHash) -> None:
    """Remove a module's document, and nothing else."""
    store.modules._collection.delete_one({"_id": module_hash})
