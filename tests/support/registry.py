"""Modules and nodes of a test, registered and connected through the services that really do it."""

from collections.abc import Container
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from shared.domain.event import module_subject
from shared.domain.ids import NodeId, SessionId
from shared.domain.module import Module
from shared.domain.node import Node
from shared.domain.session import Claim, ClaimOutcome, Decision, SessionEnd
from shared.services.nodes import enrol_node
from shared.services.registration import register_module
from shared.services.sessions import NodeView, write_batch
from shared.store import Store
from tests.support.builders import NODE, make_claim, make_node, make_registration


@dataclass
class Registry:
    """A registry at one moment; every session gets an id and a peer of its own."""

    store: Store
    now: datetime
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def register(self, name: str = "load-forecast", **overrides: Any) -> Module:
        registration = make_registration(name=name, **overrides)
        return register_module(self.store, registration, self.now).module

    def enrol(self, node: NodeId = NODE, *, lease_seconds: float = 20, **overrides: Any) -> Node:
        """Enrol a node; a negative lease is one that ran out."""
        lease_until = self.now + timedelta(seconds=lease_seconds)
        address = node.rpartition(":")[0]
        made = make_node(id=node, address=address, lease_until=lease_until, **overrides)
        enrol_node(self.store, made, made.started_at)
        return made

    def claim(self, module: Module, *, node: NodeId = NODE, **overrides: Any) -> Claim:
        number = next(self._numbers)
        values = {
            "id": SessionId(f"session-{number}"),
            "peer": f"192.0.2.7:{50000 + number}",
            "connected_at": self.now,
        }
        return make_claim(module.module_hash, node=node, **values | overrides)

    def write(
        self,
        *claims: Claim,
        ends: tuple[SessionEnd, ...] = (),
        node: NodeId = NODE,
        held: Container[SessionId] = (),
        superfluous: tuple[SessionEnd, ...] = (),
    ) -> list[ClaimOutcome]:
        """Write one batch of this node, which holds these sockets."""
        view = NodeView(
            node=node, holds=lambda session: session in held, takeover_window=timedelta(seconds=60)
        )
        return write_batch(self.store, view, claims, ends, self.now, superfluous=superfluous)

    def connect(self, module: Module, *, node: NodeId = NODE, **overrides: Any) -> Module:
        """Connect a module and return it as it is stored then."""
        (outcome,) = self.write(self.claim(module, node=node, **overrides), node=node)
        assert outcome.decision is Decision.ACCEPTED
        return self.read(module)

    def read(self, module: Module) -> Module:
        found = self.store.modules.get(module.module_hash)
        assert found is not None
        return found

    def happened(self, module: Module) -> list[tuple[str, str | None]]:
        """Return (what, why) of everything that happened to a module, oldest first."""
        events = self.store.events.find(subject=module_subject(module.module_hash))
        return [(event.what, event.reason) for event in events]
