"""Who is registered, and who of them is online: what every reader is shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.domain.ids import ModuleHash
from shared.domain.module import Module, normalise
from shared.domain.presence import Presence, PresenceRules, State, judge_presence, latest_heartbeat
from shared.services.module_lookup import find_module
from shared.settings import Settings
from shared.store import Store, batch_timeout


@dataclass(frozen=True, kw_only=True)
class ListedModule:
    """One module beside what is seen of it now."""

    module: Module
    presence: Presence
    last_alive_time: datetime | None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Modules in order of their numbers, as read at one moment.

    `changes` is the registry's change counter from before the read; `valid_until` is when the
    first lease that the listing rests on runs out (None: it rests on none). `is_doubtful` says
    that a node's lease ran out and nobody declared it dead: its modules may be back any moment.
    """

    modules: tuple[ListedModule, ...]
    changes: int
    read_at: datetime
    valid_until: datetime | None
    is_doubtful: bool = False


def presence_rules(settings: Settings) -> PresenceRules:
    """Return the rules that every reader judges by."""
    return PresenceRules(
        interval=timedelta(seconds=settings.websocket_ping_interval_seconds),
        flush=timedelta(seconds=settings.heartbeat_flush_seconds),
    )


def list_online(
    store: Store, rules: PresenceRules, now: datetime, *, trust_lease: bool = True
) -> Listing:
    """List the modules that are online or suspect."""
    return _read(store, rules, now, everyone=False, trust_lease=trust_lease)


def list_all(
    store: Store, rules: PresenceRules, now: datetime, *, trust_lease: bool = True
) -> Listing:
    """List every registered module."""
    return _read(store, rules, now, everyone=True, trust_lease=trust_lease)


def _read(
    store: Store, rules: PresenceRules, now: datetime, *, everyone: bool, trust_lease: bool
) -> Listing:
    with batch_timeout():
        changes, registered = store.counters.read()
        known = {node.id: node for node in store.nodes.all()}
        undead = [node for node in known.values() if not node.dead]
        nodes = [node for node in undead if node.is_alive(now, trust_lease=trust_lease)]
        alive = {node.id for node in nodes}
        modules = store.modules.all() if everyone else store.modules.on_nodes(alive)
        heartbeats = store.heartbeats.read([m.module_hash for m in modules], registered)
    listed = [
        ListedModule(
            module=module,
            presence=judge_presence(
                module, known, alive, heartbeats.get(module.module_hash), now, rules
            ),
            last_alive_time=latest_heartbeat(module, heartbeats.get(module.module_hash)),
        )
        for module in sorted(modules, key=lambda module: module.module_id)
    ]
    leases = [node.expires_at for node in nodes] if trust_lease else []
    return Listing(
        modules=tuple(listed),
        changes=changes,
        read_at=now,
        valid_until=min(leases, default=None),
        is_doubtful=len(nodes) < len(undead),
    )


def get_module(
    store: Store,
    module_hash: ModuleHash,
    rules: PresenceRules,
    now: datetime,
    *,
    trust_lease: bool = True,
) -> ListedModule:
    """Return one module beside its state; raises NotFound."""
    module = find_module(store, module_hash=module_hash)
    nodes = {node.id: node for node in store.nodes.all()}
    alive = {n.id for n in nodes.values() if n.is_alive(now, trust_lease=trust_lease)}
    heartbeat = store.heartbeats.get(module_hash)
    presence = judge_presence(module, nodes, alive, heartbeat, now, rules)
    last_alive_time = latest_heartbeat(module, heartbeat)
    return ListedModule(module=module, presence=presence, last_alive_time=last_alive_time)


def select(
    listed: Iterable[ListedModule],
    *,
    mission_kind: str | None = None,
    tag: str | None = None,
    name: str | None = None,
    state: State | None = None,
) -> list[ListedModule]:
    """Keep the modules that match every filter given; `name` matches any part, in any case.

    Tags keep the characters that they were given with; those that look the same match.
    """
    wanted = name.casefold() if name is not None else None
    label = normalise(tag) if tag is not None else None
    return [
        item
        for item in listed
        if (mission_kind is None or item.module.mission_kind == mission_kind)
        and (label is None or label in map(normalise, item.module.tags))
        and (wanted is None or wanted in item.module.name.casefold())
        and (state is None or item.presence.state is state)
    ]


def to_item(listed: ListedModule) -> dict[str, Any]:
    """Return the public form of a listed module (times are aware datetimes)."""
    module, presence = listed.module, listed.presence
    session = presence.session
    return {
        "module_id": module.module_id,
        "name": module.name,
        "description": module.description,
        "missionKind": module.mission_kind,
        "modelHash": module.model_hash,
        "dataRequirement": module.data_requirement,
        "input_data": module.input_data,
        "output_data": module.output_data,
        "tags": list(module.tags),
        "priority": module.priority,
        "enabled": module.enabled,
        "revision": module.revision,
        "module_hash": module.module_hash,
        "alive": presence.is_alive,
        "state": presence.state.value,
        "offline_reason": presence.reason.value if presence.reason else None,
        "offline_detail": module.offline_detail,
        "state_since": presence.since,
        "session_id": session.id if session else None,
        "peer": session.peer if session else None,
        "node": session.node if session else None,
        "registered_at": module.registered_at,
        "updated_at": module.updated_at,
        "last_alive_time": listed.last_alive_time,
        "last_login_time": module.last_login_time,
        "last_execution_time": module.last_execution_time,
    }
