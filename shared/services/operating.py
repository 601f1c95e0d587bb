"""What operators do to modules: close, expire, enable, disable, delete."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.close_codes import CloseCode
from shared.domain.event import was_decided
from shared.domain.module import Module, ModuleHash, OfflineReason, Session
from shared.domain.order import Order
from shared.domain.session import SessionEnd
from shared.errors import Conflict, NotFound
from shared.services.liveness import end_event
from shared.store import Store, batch_timeout

EXPIRE_SLICE = 500


@dataclass(frozen=True, kw_only=True)
class Connected:
    """The modules that the database calls connected, by whether their node lives."""

    living: tuple[Module, ...]
    stale: tuple[Module, ...]


def find_connected(store: Store, now: datetime, module_hash: ModuleHash | None = None) -> Connected:
    """Return the modules with a session, all or this one; raises NotFound for an unknown hash."""
    if module_hash is None:
        with batch_timeout():
            modules = store.modules.connected()
    else:
        modules = [_get(store, module_hash)]
    # After the sessions: the node of every one of them is enrolled by now.
    alive = {node.id for node in store.nodes.all() if node.is_alive(now)}
    living = tuple(m for m in modules if m.session and m.session.node in alive)
    stale = tuple(m for m in modules if m.session and m.session.node not in alive)
    return Connected(living=living, stale=stale)


def expire_modules(store: Store, modules: Sequence[Module], now: datetime) -> int:
    """Put connected modules offline now; their sockets are closed with 4010 and may come back.

    Returns how many it was: whoever left or reconnected in between is none of them.
    """
    return sum(
        _end(store, modules[start : start + EXPIRE_SLICE], OfflineReason.EXPIRED_BY_OPERATOR, now)
        for start in range(0, len(modules), EXPIRE_SLICE)
    )


def close_module(store: Store, module: Module, now: datetime) -> None:
    """Close one module's socket; raises NotFound when it is not online, Conflict when it moved."""
    alive = {node.id for node in store.nodes.all() if node.is_alive(now)}
    if module.session is None or module.session.node not in alive:
        raise NotFound(f"The module {module.name!r} is not online.")
    if _end(store, [module], OfflineReason.CLOSED_BY_OPERATOR, now) == 0:
        raise Conflict(f"The module {module.name!r} could not be closed: it just reconnected.")


def set_enabled(store: Store, module_hash: ModuleHash, now: datetime, *, enabled: bool) -> bool:
    """Allow or forbid a module to connect; False when it is so already; raises NotFound."""
    changed = store.modules.set_enabled(module_hash, now, enabled=enabled)
    # Read after the write: from then on no session begins any more that would go unnoticed.
    module = _get(store, module_hash)
    if not changed:
        return False
    what = "enabled" if enabled else "disabled"
    store.events.record([was_decided(module_hash, what, now)])
    if not enabled and module.session:
        _end(store, [module], OfflineReason.DISABLED, now, CloseCode.DISABLED)
    store.counters.note_registry_change()
    return True


def delete_module(store: Store, module_hash: ModuleHash, now: datetime) -> Module:
    """Delete a module and close its socket with 4501; raises NotFound."""
    module = _get(store, module_hash)
    if module.session:
        _end(store, [module], OfflineReason.CLOSED_BY_OPERATOR, now, CloseCode.UNKNOWN_MODULE)
    store.modules.delete(module_hash)
    store.pulses.remove(module_hash)
    store.events.record([was_decided(module_hash, "deleted", now, {"name": module.name})])
    store.counters.note_registry_change()
    return module


def _get(store: Store, module_hash: ModuleHash) -> Module:
    module = store.modules.get(module_hash)
    if module is None:
        raise NotFound(f"No module has the hash {module_hash[:80]!r}.")
    return module


def _end(
    store: Store,
    modules: Sequence[Module],
    reason: OfflineReason,
    now: datetime,
    code: CloseCode = CloseCode.CLOSED_BY_OPERATOR,
) -> int:
    """Order the sockets closed, then end their sessions; return how many were still theirs.

    The order goes first: if this process is killed in between, the node that carries the order
    out ends the session with the same reason. A node without a document reads no orders.
    """
    ends = [_end_of(module, module.session, reason, now) for module in modules if module.session]
    nodes = {node.id for node in store.nodes.all()}
    orders = [
        _close_order(module, module.session, reason, now, code)
        for module in modules
        if module.session and module.session.node in nodes
    ]
    with batch_timeout():
        store.orders.give(orders)
        store.events.record([end_event(end) for end in ends])
        ended = store.modules.write_sessions([], ends)
        store.counters.note_registry_change()
    return ended


def _end_of(module: Module, session: Session, reason: OfflineReason, now: datetime) -> SessionEnd:
    return SessionEnd(
        module_hash=module.module_hash,
        session_id=session.id,
        epoch=module.epoch,
        reason=reason,
        at=now,
        raise_epoch=True,
        peer=session.peer,
    )


def _close_order(
    module: Module, session: Session, reason: OfflineReason, now: datetime, code: CloseCode
) -> Order:
    return Order(
        session=session.id,
        node=session.node,
        module_hash=module.module_hash,
        created_at=now,
        close_code=code,
        reason=reason,
    )
