"""A node: one running wsd process, and when it counts as dead."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.domain.closing import OfflineReason
from shared.domain.ids import NodeId

HOST_CLOCK_TOLERANCE = timedelta(seconds=2)


def node_address(name: str, machine: str, port: int) -> str:
    """Return where a node listens, as only one process at a time can."""
    return f"{name}@{machine}:{port}"


@dataclass(frozen=True, kw_only=True)
class Node:
    """One running wsd process, as its document tells; its id is host:port:start."""

    id: NodeId
    address: str
    renewals: int
    lease_until: datetime
    started_at: datetime
    sessions: int = 0
    dead: bool = False
    offline_reason: OfflineReason = OfflineReason.NODE_LOST  # what its sessions end for once dead

    @property
    def host(self) -> str:
        """Return the NODE_NAME of its machine."""
        return self.id.rsplit(":", 2)[0]

    @property
    def machine(self) -> str:
        """Return its machine, by name and id."""
        return self.address.rpartition(":")[0]

    def is_alive(self, now: datetime, *, trust_lease: bool = True) -> bool:
        """Return whether readers may believe this node's sessions.

        Without trust_lease (just after the reader's own outage) only a declared death counts.
        """
        return not self.dead and (not trust_lease or now <= self.expires_at)

    def end_of_session(self, online_since: datetime) -> datetime:
        """Return when a session of this node ended, which is lost or retired: with its lease.

        A session may have begun later, while the node did not know yet.
        """
        return max(online_since, self.lease_until)

    @property
    def expires_at(self) -> datetime:
        """When readers on other hosts stop believing it."""
        return self.lease_until + HOST_CLOCK_TOLERANCE


@dataclass
class NodeWatch:
    """Notices nodes whose renewals stand still, by the observer's own monotonic time.

    Only what was seen without a gap counts: a failed look, or the observer's own freeze, calls
    `forget` and every observation starts anew.
    """

    lease_seconds: float
    _seen: dict[NodeId, tuple[int, float]] = field(default_factory=dict)

    def observe(
        self, renewals: Mapping[NodeId, int], now_seconds: float
    ) -> list[tuple[NodeId, int]]:
        """Return (node, renewals) of the nodes that did not renew for a whole lease."""
        seen: dict[NodeId, tuple[int, float]] = {}
        for node, count in renewals.items():
            known = self._seen.get(node)
            seen[node] = known if known and known[0] == count else (count, now_seconds)
        self._seen = seen
        return [
            (node, count)
            for node, (count, since) in seen.items()
            if now_seconds - since >= self.lease_seconds
        ]

    def forget(self) -> None:
        """Start every observation anew."""
        self._seen.clear()
