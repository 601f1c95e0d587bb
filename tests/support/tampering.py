"""What tests do to the database behind the platform's back."""

from datetime import datetime

from shared.domain.ids import ModuleHash, WorkflowId
from shared.store import Store


def remove_module(store: Store, module_hash: ModuleHash) -> None:
    """Remove a module's document, and nothing else."""
    store.modules._collection.delete_one({"_id": module_hash})


def set_worker_signs(store: Store, at: datetime) -> None:
    """Let every worker have been seen last at this moment."""
    store.workers._collection.update_many({}, {"$set": {"at": at}})


def set_next_due(store: Store, workflow_id: WorkflowId, at: datetime) -> None:
    """Let a workflow be due next at this moment."""
    store.workflows._collection.update_one({"_id": workflow_id}, {"$set": {"next_due_at": at}})
