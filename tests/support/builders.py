"""One valid default of everything; a test names only what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.actor import user
from shared.domain.ids import ModuleHash, NodeId, SessionId
from shared.domain.module import Module, Registration, compute_module_hash
from shared.domain.node import Node
from shared.domain.presence import PresenceRules, judge_presence
from shared.domain.session import Claim, Session
from shared.services.module_listing import ListedModule

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NODE = NodeId("host-a:10090:1")
RULES = PresenceRules(interval=timedelta(seconds=30), flush=timedelta(seconds=10))
ACTOR = user("alice")


def make_registration(**overrides: Any) -> Registration:
    values: dict[str, Any] = {"name": "load-forecast", "description": "Tomorrow's load"}
    return Registration(**values | overrides)


def make_module(**overrides: Any) -> Module:
    values: dict[str, Any] = {
        "module_hash": compute_module_hash(overrides.get("name", "load-forecast"), "", ""),
        "module_id": 1,
        "name": "load-forecast",
        "registered_at": NOON,
        "updated_at": NOON,
        "state_since": NOON,
    }
    return Module(**values | overrides)


def make_session(**overrides: Any) -> Session:
    values: dict[str, Any] = {
        "id": SessionId("session-1"),
        "node": NODE,
        "peer": "192.0.2.7:50000",
        "connected_at": NOON,
    }
    return Session(**values | overrides)


def make_node(**overrides: Any) -> Node:
    values: dict[str, Any] = {
        "id": NODE,
        "address": "host-a:10090",
        "renewals": 1,
        "lease_until": NOON + timedelta(seconds=20),
        "started_at": NOON,
    }
    return Node(**values | overrides)


def make_claim(module_hash: ModuleHash, **overrides: Any) -> Claim:
    session = {
        k: overrides.pop(k) for k in ("id", "node", "peer", "connected_at") if k in overrides
    }
    return Claim(module_hash=module_hash, session=make_session(**session), **overrides)


def make_listed(now: datetime, **overrides: Any) -> ListedModule:
    module = make_module(**overrides)
    presence = judge_presence(module, {}, {NODE}, None, now, RULES)
    return ListedModule(module=module, presence=presence, last_alive_time=None)
