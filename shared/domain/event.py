"""An event: one state change of anything, with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.domain.module import Module, ModuleHash, OfflineReason, State

# Why something happened, beside the reasons for going offline.
OPERATOR = "operator"
TWO_PROGRAMS = "two_programs"  # they use one hash at once, and keep throwing each other out


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happened to a module; the id is made of what happened, so two writers write one."""

    id: str
    module_hash: ModuleHash
    at: datetime
    what: str
    reason: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def came_online(
    module_hash: ModuleHash, epoch: int, at: datetime, *, node: str, peer: str
) -> Event:
    """Return the event of a session that was bound."""
    return Event(
        id=f"{module_hash}:{epoch}:{State.ONLINE}",
        module_hash=module_hash,
        at=at,
        what=State.ONLINE.value,
        detail={"epoch": epoch, "node": node, "peer": peer},
    )


def went_offline(
    module_hash: ModuleHash,
    epoch: int,
    at: datetime,
    reason: OfflineReason,
    detail: Mapping[str, Any] | None = None,
) -> Event:
    """Return the event of a session that ended."""
    return Event(
        id=f"{module_hash}:{epoch}:{State.OFFLINE}",
        module_hash=module_hash,
        at=at,
        what=State.OFFLINE.value,
        reason=reason.value,
        detail={"epoch": epoch, **(detail or {})},
    )


def was_registered(module: Module, at: datetime) -> Event:
    """Return the event of a first registration."""
    return Event(
        id=f"{module.module_hash}:{module.module_id}:registered",
        module_hash=module.module_hash,
        at=at,
        what="registered",
        detail={"name": module.name, "module_id": module.module_id},
    )


def was_changed(module: Module, changes: Mapping[str, tuple[Any, Any]], at: datetime) -> Event:
    """Return the event of a re-registration that said something new."""
    difference = {name: {"from": before, "to": after} for name, (before, after) in changes.items()}
    return Event(
        id=f"{module.module_hash}:{module.module_id}:revision-{module.revision + 1}",
        module_hash=module.module_hash,
        at=at,
        what="changed",
        detail={"revision": module.revision + 1, "difference": difference},
    )


def looped(module_hash: ModuleHash, at: datetime, *, incumbent: str, newcomer: str) -> Event:
    """Return the event of a takeover that was refused: two programs fight for one module."""
    return Event(
        id=f"{module_hash}:{at.isoformat()}:takeover_refused",
        module_hash=module_hash,
        at=at,
        what="takeover_refused",
        reason=TWO_PROGRAMS,
        detail={"incumbent": incumbent, "newcomer": newcomer},
    )


def was_decided(
    module_hash: ModuleHash, what: str, at: datetime, detail: Mapping[str, Any] | None = None
) -> Event:
    """Return the event of an operator's decision about a module (enabled, disabled, deleted)."""
    return Event(
        id=f"{module_hash}:{at.isoformat()}:{what}",
        module_hash=module_hash,
        at=at,
        what=what,
        reason=OPERATOR,
        detail=detail or {},
    )
