"""The registered modules and their presence: what every reader is shown."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

from shared.domain.ids import ModuleHash
from shared.domain.module import Module, normalise
from shared.domain.node import NO_GRACE, LeaseGrace, NodesSeen
from shared.domain.presence import (
    NEVER,
    LastTimes,
    Presence,
    PresenceRules,
    State,
    judge_presence,
    latest_heartbeat,
)
from shared.services.module_lookup import find_module
from shared.settings import Settings
from shared.store import Store, batch_timeout
from shared.store.chunks import chunks

MODULES_AT_ONCE = 500

M = TypeVar("M")
F = TypeVar("F", bound="HasFacets")


@dataclass(frozen=True, kw_only=True, slots=True)
class Facets:
    """What lists of modules are ordered and filtered by."""

    module_id: int
    mission_kind: str
    tags: tuple[str, ...]
    folded_name: str
    state: State


@dataclass(frozen=True, kw_only=True)
class ListedModule:
    """One module beside what is seen of it now; `in_doubt` says that its node may be gone."""

    module: Module
    presence: Presence
    last_alive_time: datetime | None
    last_execution_time: datetime | None = None
    in_doubt: bool = False

    @property
    def facets(self) -> Facets:
        """Return what it is found by."""
        return Facets(
            module_id=self.module.module_id,
            mission_kind=self.module.mission_kind,
            # Tags keep the characters that they were given with; those that look the same match.
            tags=tuple(map(normalise, self.module.tags)),
            folded_name=self.module.name.casefold(),
            state=self.presence.state,
        )


@dataclass(frozen=True, kw_only=True)
class Listing(Generic[M]):
    """Modules as read at one moment, and what they rest on.

    `changes` is the registry's change counter from before the read.
    """

    modules: M
    changes: int
    nodes: NodesSeen


class HasFacets(Protocol):
    """Anything that lists of modules are made of."""

    @property
    def facets(self) -> Facets:
        """Return what it is found by."""
        ...


def presence_rules(settings: Settings) -> PresenceRules:
    """Return the rules that every reader judges by."""
    return PresenceRules(
        interval=timedelta(seconds=settings.websocket_ping_interval_seconds),
        flush=timedelta(seconds=settings.heartbeat_flush_seconds),
    )


def list_online(
    store: Store, rules: PresenceRules, now: datetime, grace: LeaseGrace = NO_GRACE
) -> Listing[list[ListedModule]]:
    """List the modules that are online or suspect, in the order of their numbers."""
    return _in_order(stream_online(store, rules, now, grace))


def list_all(
    store: Store, rules: PresenceRules, now: datetime, grace: LeaseGrace = NO_GRACE
) -> Listing[list[ListedModule]]:
    """List every registered module, in the order of their numbers."""
    return _in_order(stream_all(store, rules, now, grace))


def stream_online(
    store: Store, rules: PresenceRules, now: datetime, grace: LeaseGrace
) -> Listing[Iterator[ListedModule]]:
    """Read the modules that are online or suspect, some at a time, in no order."""
    with batch_timeout():
        changes, registered = store.counters.read()
        nodes = grace.judge(store.nodes.all(), now)
        expected = sum(nodes.nodes[node].sessions for node in nodes.alive)
        times = store.heartbeats.all() if expected * 8 >= registered else None
    modules = store.modules.stream_on_nodes(nodes.alive)
    listed = _look_at(store, modules, nodes, times, now, rules)
    return Listing(modules=listed, changes=changes, nodes=nodes)


def stream_all(
    store: Store, rules: PresenceRules, now: datetime, grace: LeaseGrace
) -> Listing[Iterator[ListedModule]]:
    """Read every registered module, some at a time, in no order."""
    with batch_timeout():
        changes, _ = store.counters.read()
        nodes = grace.judge(store.nodes.all(), now)
        times = store.heartbeats.all()
    listed = _look_at(store, store.modules.stream(), nodes, times, now, rules)
    return Listing(modules=listed, changes=changes, nodes=nodes)


def get_module(
    store: Store,
    module_hash: ModuleHash,
    rules: PresenceRules,
    now: datetime,
    grace: LeaseGrace = NO_GRACE,
) -> ListedModule:
    """Return one module beside its state; raises NotFound."""
    module = find_module(store, module_hash=module_hash)
    nodes = grace.judge(store.nodes.all(), now)
    return _look_at_one(module, nodes, store.heartbeats.get(module_hash), now, rules)


def _in_order(listing: Listing[Iterator[ListedModule]]) -> Listing[list[ListedModule]]:
    modules = sorted(listing.modules, key=lambda listed: listed.module.module_id)
    return Listing(modules=modules, changes=listing.changes, nodes=listing.nodes)


def _look_at(
    store: Store,
    modules: Iterable[Module],
    nodes: NodesSeen,
    times: Mapping[ModuleHash, LastTimes] | None,
    now: datetime,
    rules: PresenceRules,
) -> Iterator[ListedModule]:
    """Judge modules; times that are not given are read for some modules at a time."""
    for part in chunks(modules, MODULES_AT_ONCE):
        known = times
        if known is None:
            known = store.heartbeats.of([module.module_hash for module in part])
        for module in part:
            last = known.get(module.module_hash, NEVER)
            yield _look_at_one(module, nodes, last, now, rules)


def _look_at_one(
    module: Module,
    nodes: NodesSeen,
    last: LastTimes,
    now: datetime,
    rules: PresenceRules,
) -> ListedModule:
    return ListedModule(
        module=module,
        presence=judge_presence(module, nodes.nodes, nodes.alive, last.heartbeat_at, now, rules),
        last_alive_time=latest_heartbeat(module, last.heartbeat_at),
        last_execution_time=last.executed_at,
        in_doubt=module.session is not None and module.session.node in nodes.in_doubt,
    )


def select(
    listed: Iterable[F],
    *,
    mission_kind: str | None = None,
    tag: str | None = None,
    name: str | None = None,
    state: State | None = None,
) -> list[F]:
    """Keep the modules that match every filter given; `name` matches any part, in any case."""
    wanted = name.casefold() if name is not None else None
    label = normalise(tag) if tag is not None else None

    def matches(facets: Facets) -> bool:
        return (
            (mission_kind is None or facets.mission_kind == mission_kind)
            and (label is None or label in facets.tags)
            and (wanted is None or wanted in facets.folded_name)
            and (state is None or facets.state is state)
        )

    return [item for item in listed if matches(item.facets)]


def to_item(listed: ListedModule) -> dict[str, Any]:
    """Return the public form of a listed module (times are aware datetimes)."""
    module, presence = listed.module, listed.presence
    session, disabling = presence.session, module.disabling
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
        "disabled": None if disabling is None else asdict(disabling),
        "revision": module.revision,
        "module_hash": module.module_hash,
        "alive": presence.is_alive,
        "state": presence.state.value,
        "in_doubt": listed.in_doubt,
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
        "last_execution_time": listed.last_execution_time,
    }
