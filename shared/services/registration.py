"""A module registers, for the first time or again."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.event import was_changed, was_registered
from shared.domain.ids import ModuleHash
from shared.domain.module import DEFAULT_PRIORITY, Change, Module, Registration, normalise
from shared.errors import Conflict
from shared.services.registration_quota import NO_QUOTA, RegistrationQuota, count_room, refuse
from shared.store import Store
from shared.store.counters import Handout

RACES_TO_LOSE = 10
# Far longer than any process takes from handing out numbers to recording the events.
ABANDONED_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Registered:
    """The module as it stands after a registration, and whether it is new."""

    module: Module
    is_new: bool


Find = Callable[[ModuleHash], Module | None]
Create = Callable[[Registration], Registered | None]


def register_module(
    store: Store,
    registration: Registration,
    now: datetime,
    *,
    find: Find | None = None,
    create: Create | None = None,
) -> Registered:
    """Register a module, or find the one that has this identity and write what changed.

    Idempotent: any number of processes may register the same module at once; one document exists
    and all of them get the same answer. `find` and `create` may do so for many modules together.
    """
    find = find or store.modules.get
    create = create or (lambda said: create_modules(store, [said], now)[0])
    for _ in range(RACES_TO_LOSE):
        module = find(registration.module_hash)
        if module is None:
            registered = create(registration)
        else:
            registered = _change_module(store, module, registration, now)
        if registered is not None:
            return registered
    raise Conflict("This module is being changed by others all the time; try again.")


def _change_module(
    store: Store, module: Module, registration: Registration, now: datetime
) -> Registered | None:
    """Write what a known module says anew; None when another process changed it in between.

    Whichever write is the last before a kill, the event of a change is recorded: by the same
    registration when it comes again, or by `finish_abandoned`.
    """
    _record_change(store, module)
    changes = registration.changes_to(module)
    if not changes:
        return Registered(module=replace(module, unrecorded_change=None), is_new=False)
    said = {name: after for name, (_, after) in changes.items()}
    difference = {name: {"from": before, "to": after} for name, (before, after) in changes.items()}
    change = Change(revision=module.revision + 1, at=now, difference=difference)
    handout = store.counters.note_unfinished(module.module_hash, now)
    is_written = store.modules.change(module, change)
    if is_written:
        _record_change(store, replace(module, unrecorded_change=change))
    store.counters.finish([handout])
    if not is_written:
        return None
    changed = replace(
        module, **said, revision=change.revision, updated_at=now, unrecorded_change=None
    )
    return Registered(module=changed, is_new=False)


def _record_change(store: Store, module: Module) -> None:
    """Record the event of the last change, if that was left out."""
    change = module.unrecorded_change
    if change is not None:
        store.events.record([was_changed(module, change)])
        store.modules.forget_change(module, change)


def create_modules(
    store: Store,
    registrations: Sequence[Registration],
    now: datetime,
    quota: RegistrationQuota = NO_QUOTA,
) -> list[Registered | None]:
    """Register unknown modules, with four writes for all of them; None where another was first.

    Raises Conflict when there is no room for any of them; where there is room for some, the others
    are left out like those that come second, and meet the full registry when they try again.
    Whichever write is the last before a kill, every module is registered or unknown. Events that
    are missing then are recorded by `finish_abandoned`: the handout of the numbers names them.
    """
    wanted: dict[ModuleHash, Registration] = {}
    for registration in registrations:
        wanted.setdefault(registration.module_hash, registration)
    handed_out = store.counters.hand_out(list(wanted), now)
    # An event's id is made of the epoch: the new life of a deleted module must not repeat them.
    epochs = store.deleted_modules.epochs(wanted)
    modules = [
        _make_module(said, number, epochs.get(said.module_hash, 0), now)
        for number, said in enumerate(wanted.values(), handed_out.first)
    ]
    room = count_room(store, quota, handed_out)
    created = store.modules.insert(modules[:room])
    _finish(store, created, [handed_out.handout])
    if not room:
        raise refuse(quota)
    new = {module.module_hash: Registered(module=module, is_new=True) for module in created}
    return [new.pop(registration.module_hash, None) for registration in registrations]


def finish_abandoned(store: Store, now: datetime) -> int:
    """Record the events of registrations that a kill cut off; return how many handouts it was."""
    abandoned = [old for old in store.counters.unfinished() if old.at < now - ABANDONED_AFTER]
    if abandoned:
        hashes = {key for handout in abandoned for key in handout.hashes}
        modules = store.modules.of_hashes(hashes)
        for module in modules:
            _record_change(store, module)
        _finish(store, modules, abandoned)
    return len(abandoned)


def _finish(store: Store, modules: Iterable[Module], handouts: Iterable[Handout]) -> None:
    store.events.record([was_registered(module, module.registered_at) for module in modules])
    store.counters.finish(handouts)


def _make_module(said: Registration, number: int, epoch: int, now: datetime) -> Module:
    return Module(
        module_hash=said.module_hash,
        module_id=number,
        name=normalise(said.name),
        description=said.description or "",
        mission_kind=normalise(said.mission_kind),
        model_hash=normalise(said.model_hash),
        data_requirement=said.data_requirement,
        input_data=said.input_data,
        output_data=said.output_data,
        tags=said.tags or (),
        priority=DEFAULT_PRIORITY if said.priority is None else said.priority,
        epoch=epoch,
        registered_at=now,
        updated_at=now,
        state_since=now,
    )
