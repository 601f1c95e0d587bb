"""What operators do to modules: close, expire, enable, disable, delete."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.actor import Actor
from shared.domain.closing import CLOSED, EXPIRED, UNKNOWN_MODULE, Closing, OfflineReason
from shared.domain.disabling import Disabling, closing_of
from shared.domain.event import DELETED, OPERATOR, was_decided, went_offline
from shared.domain.ids import ModuleHash, NodeId
from shared.domain.module import Module
from shared.domain.node import NO_GRACE, LeaseGrace
from shared.domain.node_command import NodeCommand
from shared.domain.session import Session, SessionEnd
from shared.errors import Conflict, NotFound
from shared.services.message_admin import end_work_of_unknown
from shared.services.module_lookup import find_module
from shared.services.sessions import end_event
from shared.store import Store, batch_timeout

EXPIRE_SLICE = 500


@dataclass(frozen=True, kw_only=True)
class Connected:
    """The modules that the database calls connected, by whether their node lives."""

    living: tuple[Module, ...]
    in_doubt: tuple[Module, ...]
    stale: tuple[Module, ...]


def find_connected(
    store: Store,
    now: datetime,
    module_hash: ModuleHash | None = None,
    grace: LeaseGrace = NO_GRACE,
) -> Connected:
    """Return the modules with a session, all or this one; raises NotFound for an unknown hash."""
    if module_hash is None:
        with batch_timeout():
            modules = store.modules.connected()
    else:
        modules = [find_module(store, module_hash=module_hash)]
    # After the sessions: the node of every one of them is enrolled by now.
    nodes = grace.judge(store.nodes.all(), now)

    def held_by(alive: Callable[[NodeId], bool]) -> tuple[Module, ...]:
        return tuple(m for m in modules if m.session and alive(m.session.node))

    return Connected(
        living=held_by((nodes.alive - nodes.in_doubt).__contains__),
        in_doubt=held_by(nodes.in_doubt.__contains__),
        stale=held_by(lambda node: node not in nodes.alive),
    )


def expire_modules(store: Store, modules: Sequence[Module], now: datetime, actor: Actor) -> int:
    """Put connected modules offline now; their sockets are closed with 4010 and may come back.

    Returns how many it was, without those that left or reconnected in between.
    """
    return sum(
        _end(store, modules[start : start + EXPIRE_SLICE], EXPIRED, now, actor)
        for start in range(0, len(modules), EXPIRE_SLICE)
    )


def close_module(
    store: Store, module: Module, now: datetime, actor: Actor, grace: LeaseGrace = NO_GRACE
) -> None:
    """Close one module's socket.

    Raises NotFound when it is not online, Conflict when a newer session took over first.
    """
    nodes = grace.judge(store.nodes.all(), now)
    if module.session is None or module.session.node not in nodes.alive:
        raise _not_online(module)
    if _end(store, [module], CLOSED, now, actor) == 1:
        return
    stored = store.modules.get(module.module_hash)
    if stored is None or stored.session is None:
        raise _not_online(module)
    raise Conflict(f"The module {module.name!r} could not be closed: it just reconnected.")


def set_enabled(
    store: Store,
    module_hash: ModuleHash,
    now: datetime,
    actor: Actor,
    *,
    enabled: bool,
    because: str = "",
) -> bool:
    """Allow or forbid a module to connect; False when it is so already; raises NotFound.

    A disabled module may be disabled again for another reason. Doing it again finishes what a
    process left undone that was killed.
    """
    disabling = None if enabled else Disabling(at=now, actor=actor, because=because)
    changed = store.modules.set_enabled(module_hash, now, enabled=enabled, disabling=disabling)
    if not changed and disabling and because:
        changed = store.modules.disable_because(module_hash, disabling)
    # Read after the write: from then on no session begins any more that would go unnoticed.
    module = find_module(store, module_hash=module_hash)
    if not enabled and (decided := module.disabling or (disabling if changed else None)):
        _carry_out(store, module, decided, now)
    elif changed:
        store.events.record([was_decided(module_hash, "enabled", now, actor)])
    if changed:
        store.counters.note_registry_change()
    return changed


def _carry_out(store: Store, module: Module, disabling: Disabling, now: datetime) -> None:
    """Tell that a module was disabled, and close its socket if it has one."""
    detail = {"because": disabling.because} if disabling.because else {}
    told = was_decided(module.module_hash, "disabled", disabling.at, disabling.actor, detail)
    store.events.record([told])
    if module.session:
        _end(store, [module], closing_of(disabling), now, disabling.actor)


def delete_module(store: Store, module_hash: ModuleHash, now: datetime, actor: Actor) -> Module:
    """Delete a module and close its socket with 4501; raises NotFound.

    One event tells of it: that of the session's end, if there was a session.
    """
    ends: list[str] = []
    while True:
        module = find_module(store, module_hash=module_hash)
        if module.session:
            _end(store, [module], UNKNOWN_MODULE, now, actor)
            ends.append(went_offline(module_hash, module.epoch, now, OfflineReason.DELETED).id)
            continue
        store.deleted_modules.note(module_hash, module.epoch)
        if store.modules.delete(module_hash, module.epoch):
            break  # else a session began in between
    end_work_of_unknown(store, module_hash, now)
    store.heartbeats.remove(module_hash)
    # A node may have written the end first, and for another reason.
    if OPERATOR not in store.events.reasons(ends).values():
        detail = {"name": module.name}
        store.events.record([was_decided(module_hash, DELETED, now, actor, detail)])
    store.counters.note_registry_change()
    return module


def _not_online(module: Module) -> NotFound:
    return NotFound(f"The module {module.name!r} is not online.")


def _end(
    store: Store, modules: Sequence[Module], closing: Closing, now: datetime, actor: Actor
) -> int:
    """Command the sockets closed, then end their sessions; return how many ended for this.

    The command goes first: if this process is killed in between, the node that carries it out ends
    the session with the same reason. A node without a document reads no commands.
    """
    connected = [(module, module.session) for module in modules if module.session]
    nodes = {node.id for node in store.nodes.all()}
    ends = [_end_of(module, session, closing, now, actor) for module, session in connected]
    commands = [
        NodeCommand(
            session=session.id,
            node=session.node,
            module_hash=module.module_hash,
            created_at=now,
            closing=closing,
            actor=actor,
        )
        for module, session in connected
        if session.node in nodes
    ]
    with batch_timeout():
        store.node_commands.insert(commands)
        store.events.record([end_event(end) for end in ends])
        ended = store.sessions.write([], ends)
        store.counters.note_registry_change()
        return ended if ended == len(ends) else _count_recorded(store, ends)


def _count_recorded(store: Store, ends: Sequence[SessionEnd]) -> int:
    """Return how many sessions ended for these reasons, also where a node wrote the end first."""
    events = [end_event(end) for end in ends]
    recorded = store.events.reasons([event.id for event in events])
    return sum(recorded.get(event.id) == event.reason for event in events)


def _end_of(
    module: Module, session: Session, closing: Closing, now: datetime, actor: Actor
) -> SessionEnd:
    detail = {"close_code": closing.code, "close_text": closing.text}
    if closing is UNKNOWN_MODULE:
        detail["name"] = module.name  # nothing else tells it when the module is gone
    return SessionEnd(
        module_hash=module.module_hash,
        session_id=session.id,
        epoch=module.epoch,
        reason=closing.reason,
        at=now,
        raise_epoch=True,
        peer=session.peer,
        actor=actor,
        detail=detail,
    )
