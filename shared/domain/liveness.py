"""When a module is online, when a node is dead, when a takeover is one too many."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.domain.module import Module, NodeId, OfflineReason, Session, State

HOST_CLOCK_TOLERANCE = timedelta(seconds=2)
SUSPECT_INTERVALS = 1.5
TAKEOVERS_ALLOWED = 3


@dataclass(frozen=True, kw_only=True)
class Node:
    """One running wsd process, as its document tells."""

    id: NodeId
    address: str
    beat: int
    lease_until: datetime
    started_at: datetime
    sessions: int = 0
    dead: bool = False
    offline_reason: OfflineReason = OfflineReason.NODE_LOST  # what its sessions end for once dead

    def is_alive(self, now: datetime, *, trust_lease: bool = True) -> bool:
        """Return whether readers may believe this node's sessions.

        Without trust_lease (just after the reader's own outage) only a declared death counts.
        """
        return not self.dead and (not trust_lease or now <= self.expires_at)

    @property
    def expires_at(self) -> datetime:
        """When readers on other hosts stop believing it."""
        return self.lease_until + HOST_CLOCK_TOLERANCE


@dataclass(frozen=True, kw_only=True)
class PresenceRules:
    """The settings that a reader needs to judge a module's presence."""

    interval: timedelta
    flush: timedelta

    @property
    def suspect_after(self) -> timedelta:
        """How old a pulse may be before its module is suspect."""
        return self.interval * SUSPECT_INTERVALS + self.flush


@dataclass(frozen=True, kw_only=True)
class Presence:
    """What a reader sees: the state, its reason when offline, and since when."""

    state: State
    reason: OfflineReason | None
    since: datetime
    session: Session | None

    @property
    def is_alive(self) -> bool:
        """Return whether the module counts as online (suspect included)."""
        return self.state is not State.OFFLINE


def judge_presence(
    module: Module,
    alive_nodes: Iterable[NodeId],
    pulse: datetime | None,
    now: datetime,
    rules: PresenceRules,
) -> Presence:
    """Derive a module's state from its session, its node's life and its last pulse."""
    session = module.session
    if session is None:
        return Presence(
            state=State.OFFLINE,
            reason=module.offline_reason,
            since=module.state_since,
            session=None,
        )
    if session.node not in alive_nodes:
        return Presence(
            state=State.OFFLINE,
            reason=OfflineReason.NODE_LOST,
            since=module.state_since,
            session=None,
        )
    last_sign = last_sign_of_life(session, pulse) or session.connected_at
    state = State.SUSPECT if now - last_sign > rules.suspect_after else State.ONLINE
    return Presence(state=state, reason=None, since=module.state_since, session=session)


def last_sign_of_life(session: Session | None, pulse: datetime | None) -> datetime | None:
    """Return when a module last spoke: a connect counts, and is known before the first flush."""
    signs = [pulse] if pulse else []
    if session is not None:
        signs.append(session.connected_at)
    return max(signs, default=None)


def count_recent_takeovers(takeovers: Iterable[datetime], now: datetime, window: timedelta) -> int:
    """Return how many takeovers happened within the window before now."""
    return sum(1 for at in takeovers if now - at <= window)


@dataclass
class NodeWatch:
    """Notices nodes whose beat stands still, by the observer's own monotonic time.

    Only what was seen without a gap counts: a failed look, or the observer's own freeze, calls
    `forget` and every observation starts anew.
    """

    lease_seconds: float
    _seen: dict[NodeId, tuple[int, float]] = field(default_factory=dict)

    def observe(self, beats: Mapping[NodeId, int], now_seconds: float) -> list[tuple[NodeId, int]]:
        """Return (node, beat) of the nodes whose beat did not move for a whole lease."""
        seen: dict[NodeId, tuple[int, float]] = {}
        for node, beat in beats.items():
            known = self._seen.get(node)
            seen[node] = known if known and known[0] == beat else (beat, now_seconds)
        self._seen = seen
        return [
            (node, beat)
            for node, (beat, since) in seen.items()
            if now_seconds - since >= self.lease_seconds
        ]

    def forget(self) -> None:
        """Start every observation anew."""
        self._seen.clear()


@dataclass
class WorkingClock:
    """Monotonic seconds that stand still while the process is frozen.

    Every local deadline is measured on it, so that a suspended machine or a stopped process moves
    them all by the gap at once.
    """

    frozen_seconds: float = 0.0

    def at(self, monotonic_seconds: float) -> float:
        """Return the working time at this monotonic time."""
        return monotonic_seconds - self.frozen_seconds

    def notice_gap(self, gap_seconds: float) -> None:
        """Leave out a gap in which nothing could be read."""
        self.frozen_seconds += gap_seconds
