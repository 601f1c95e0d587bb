"""A node: one running wsd process, and when it counts as dead."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.domain.closing import OfflineReason
from shared.domain.ids import NodeId

HOST_CLOCK_TOLERANCE = timedelta(seconds=2)
GRACE_SECONDS = 10.0
# The database was not away for as long as a lease between two looks that are no further apart.
LONGEST_PAUSE_SECONDS = 12.0


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

    def is_alive(self, now: datetime) -> bool:
        """Return whether its lease stands and no other node declared it dead."""
        return not self.dead and now <= self.expires_at

    def end_of_session(self, online_since: datetime) -> datetime:
        """Return when a session of this node ended, which is lost or retired: with its lease.

        A session may have begun later, while the node did not know yet.
        """
        return max(online_since, self.lease_until)

    @property
    def expires_at(self) -> datetime:
        """When readers on other hosts stop believing it."""
        return self.lease_until + HOST_CLOCK_TOLERANCE


@dataclass(frozen=True, kw_only=True)
class NodesSeen:
    """The nodes as a reader saw them; `alive` are those whose sessions it believes; `in_doubt`
    are those of them whose lease is over."""

    nodes: Mapping[NodeId, Node]
    alive: frozenset[NodeId]
    in_doubt: frozenset[NodeId]


@dataclass
class LeaseGrace:
    """Believes a lease that is over for some time after the first look at it.

    A reader that sees it for the first time cannot know whether the node or the database was away,
    unless it looked again and again while the lease ran out, without an outage of its own.
    """

    clock: Callable[[], float]
    seconds: float = GRACE_SECONDS
    _believed_until: dict[tuple[NodeId, int], float] = field(default_factory=dict)
    _looking_since: float = 0.0
    _looked_at: float | None = None

    def judge(self, nodes: Iterable[Node], now: datetime) -> NodesSeen:
        """Return which of the nodes that were just read are alive."""
        known = {node.id: node for node in nodes}
        undead = [node for node in known.values() if not node.dead]
        standing = {node.id for node in undead if node.is_alive(now)}
        seconds = self._note_look()
        grace_ends = seconds + self.seconds
        if seconds >= self._looking_since + self.seconds:
            grace_ends = seconds  # this reader saw that the node did not renew
        # Of its own until it is whole: other threads judge by other nodes meanwhile.
        believed_until = {
            key: self._believed_until.get(key, grace_ends)
            for key in ((node.id, node.renewals) for node in undead if node.id not in standing)
        }
        self._believed_until = believed_until
        doubtful = {node for (node, _), until in believed_until.items() if seconds < until}
        return NodesSeen(
            nodes=known, alive=frozenset(standing | doubtful), in_doubt=frozenset(doubtful)
        )

    def forget_looks(self) -> None:
        """Start looking anew, after an outage of the reader's own."""
        self._looked_at = None

    def _note_look(self) -> float:
        seconds = self.clock()
        if self._looked_at is None or seconds > self._looked_at + LONGEST_PAUSE_SECONDS:
            self._looking_since = seconds
        self._looked_at = seconds
        return seconds


# For readers that take a lease at its word.
NO_GRACE = LeaseGrace(clock=lambda: 0.0, seconds=0.0)


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
