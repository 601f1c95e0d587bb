"""A module registers, for the first time or again."""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.event import was_changed, was_registered
from shared.domain.module import DEFAULT_PRIORITY, Module, Registration, normalise
from shared.errors import Conflict
from shared.store import Store

RACES_TO_LOSE = 10


@dataclass(frozen=True, kw_only=True)
class Registered:
    """The module as it stands after a registration, and whether it is new."""

    module: Module
    is_new: bool


def register_module(store: Store, registration: Registration, now: datetime) -> Registered:
    """Register a module, or find the one that has this identity and write what changed.

    Idempotent: any number of processes may register the same module at once; one document exists
    and everybody gets the same answer.
    """
    for _ in range(RACES_TO_LOSE):
        module = store.modules.get(registration.module_hash)
        if module is None:
            created = _create(store, registration, now)
            if created is not None:
                return Registered(module=created, is_new=True)
            continue
        changes = registration.changes_to(module)
        if not changes:
            return Registered(module=module, is_new=False)
        said = {name: after for name, (_, after) in changes.items()}
        if store.modules.change(module, said, now):
            store.events.record([was_changed(module, changes, now)])
            store.counters.note_registry_change()
            changed = replace(module, **said, revision=module.revision + 1, updated_at=now)
            return Registered(module=changed, is_new=False)
    raise Conflict("This module is being changed by others all the time; try again.")


def _create(store: Store, registration: Registration, now: datetime) -> Module | None:
    """Insert the module; None when somebody else was first."""
    priority = registration.priority
    module = Module(
        module_hash=registration.module_hash,
        module_id=store.counters.next_module_id(),
        name=normalise(registration.name),
        description=registration.description or "",
        mission_kind=normalise(registration.mission_kind),
        model_hash=normalise(registration.model_hash),
        data_requirement=registration.data_requirement,
        input_data=registration.input_data,
        output_data=registration.output_data,
        tags=registration.tags or (),
        priority=DEFAULT_PRIORITY if priority is None else priority,
        # An event's id is made of the epoch: the new life of a deleted module must not repeat them.
        epoch=store.events.last_epoch(registration.module_hash),
        registered_at=now,
        updated_at=now,
        state_since=now,
    )
    if not store.modules.insert(module):
        return None
    store.events.record([was_registered(module, now)])
    store.counters.note_registry_change()
    return module
