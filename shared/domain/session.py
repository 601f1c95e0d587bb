"""How a session begins and ends: the values that the batches carry."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.module import ModuleHash, NodeId, OfflineReason, Session, SessionId


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A socket that wants to become its module's one session.

    `floor_epoch` is set for a socket that is bound *again*: it must not win over a session that
    began later. `confirmed` skips the loop guard: the incumbent was asked and did not answer.
    """

    module_hash: ModuleHash
    session: Session
    floor_epoch: int | None = None
    confirmed: bool = False


@dataclass(frozen=True, kw_only=True)
class SessionStart:
    """A claim that was decided: write it unless the epoch moved since it was read."""

    module_hash: ModuleHash
    session: Session
    epoch_before: int
    epoch: int
    is_takeover: bool = False


@dataclass(frozen=True, kw_only=True)
class SessionEnd:
    """A session that is over; `raise_epoch` also forbids its socket to be bound again.

    An end that is not certain undoes a claim that may never have landed: it leaves no event. With
    a node, the end spares a session that another node id has bound again since.
    """

    module_hash: ModuleHash
    session_id: SessionId
    epoch: int
    reason: OfflineReason
    at: datetime
    raise_epoch: bool = False
    is_certain: bool = True
    peer: str = ""
    node: NodeId | None = None


@dataclass(frozen=True, kw_only=True)
class SessionRecord:
    """A module's session as the database tells it, without the rest of the module."""

    module_hash: ModuleHash
    epoch: int
    enabled: bool
    session: Session | None
    takeovers: tuple[datetime, ...] = ()


class Verdict(StrEnum):
    """What became of a claim."""

    BOUND = "bound"
    UNKNOWN_MODULE = "unknown_module"
    DISABLED = "disabled"
    LOOPING = "looping"  # one takeover too many: ask the incumbent first
    OUTRUN = "outrun"  # somebody changed the module in between: claim again
    SUPERSEDED = "superseded"  # a later session exists: this socket is not bound again


@dataclass(frozen=True, kw_only=True)
class ClaimOutcome:
    """The answer to a claim; `previous` is the session that it ended or ran into."""

    claim: Claim
    verdict: Verdict
    epoch: int = 0
    previous: Session | None = None
