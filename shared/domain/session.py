"""How a session begins and ends: the values that the batches carry."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from shared.domain.actor import PLATFORM, Actor
from shared.domain.closing import OfflineReason
from shared.domain.delivery import Tried
from shared.domain.disabling import Disabling
from shared.domain.ids import ModuleHash, NodeId, SessionId

TAKEOVERS_ALLOWED = 3


@dataclass(frozen=True, kw_only=True)
class Session:
    """One module's one socket: the node that holds it, and the peer at its other end."""

    id: SessionId
    node: NodeId
    peer: str
    connected_at: datetime


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A socket that wants to become its module's one session.

    `held_epoch` is set for a rebind: a held socket must not win over a session that began later.
    `is_probed` skips the loop guard: the incumbent was asked, and it did not answer.
    """

    module_hash: ModuleHash
    session: Session
    held_epoch: int | None = None
    is_probed: bool = False

    @property
    def is_rebind(self) -> bool:
        """Return whether the claim is for a socket that is held already."""
        return self.held_epoch is not None


@dataclass(frozen=True, kw_only=True)
class Overwritten:
    """The session that another one overwrote: its epoch, and why and when it ended."""

    epoch: int
    reason: OfflineReason
    at: datetime


@dataclass(frozen=True, kw_only=True)
class SessionStart:
    """A claim that was decided: write it unless the epoch moved since it was read.

    `rebound_at` is set for a rebind: its socket was connected, and logged in, long before.
    """

    module_hash: ModuleHash
    session: Session
    epoch_before: int
    epoch: int
    overwritten: Overwritten | None = None
    is_takeover: bool = False
    rebound_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class SessionEnd:
    """A session that is over; `raise_epoch` also forbids a rebind of its socket.

    A doubtful end is that of a claim of which it is not known whether it was written. With a node,
    the end spares a session that another node id has rebound since. `unacknowledged` are the attempts
    that go back into the module's queue.
    """

    module_hash: ModuleHash
    session_id: SessionId
    epoch: int
    reason: OfflineReason
    at: datetime
    raise_epoch: bool = False
    is_doubtful: bool = False
    peer: str = ""
    node: NodeId | None = None
    actor: Actor = PLATFORM
    detail: Mapping[str, Any] = field(default_factory=dict)
    unacknowledged: tuple[Tried, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SessionRecord:
    """A module's session as the database tells it, without the rest of the module."""

    module_hash: ModuleHash
    epoch: int
    enabled: bool
    session: Session | None
    state_since: datetime
    overwritten: Overwritten | None = None
    takeovers: tuple[datetime, ...] = ()
    disabling: Disabling | None = None

    def is_session_of(self, claim: Claim) -> bool:
        """Return whether the stored session is what this claim asks for."""
        ours, stored = claim.session, self.session
        return stored is not None and (stored.id, stored.node) == (ours.id, ours.node)


@dataclass(frozen=True, kw_only=True)
class StoredSession:
    """As much of a session as a node's round compares with the socket that it holds."""

    module_hash: ModuleHash
    session_id: SessionId
    peer: str
    epoch: int
    enabled: bool


class Decision(StrEnum):
    """What became of a claim."""

    ACCEPTED = "accepted"
    UNKNOWN_MODULE = "unknown_module"
    DISABLED = "disabled"
    LOOPING = "looping"  # one takeover too many: ask the incumbent first
    OUTRUN = "outrun"  # another process changed the module in between: claim again
    SUPERSEDED = "superseded"  # a later session exists: this socket is not rebound


@dataclass(frozen=True, kw_only=True)
class ClaimOutcome:
    """The answer to a claim; `previous` is the session that it ended or ran into.

    `disabling` says why a disabled module is refused.
    """

    claim: Claim
    decision: Decision
    epoch: int = 0
    previous: Session | None = None
    disabling: Disabling | None = None


def count_recent_takeovers(takeovers: Iterable[datetime], now: datetime, window: timedelta) -> int:
    """Return how many takeovers happened within the window before now."""
    return sum(1 for at in takeovers if now - at <= window)
