"""An order: one instruction to one node about one session."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.module import ModuleHash, NodeId, OfflineReason, SessionId


class OrderKind(StrEnum):
    """What a node is asked to do with a session."""

    CLOSE = "close"
    PROBE = "probe"  # ask the peer for a pong, for a takeover that looks like a loop


@dataclass(frozen=True, kw_only=True)
class Order:
    """One instruction; a close carries its code and the reason that the module goes offline for."""

    session: SessionId
    node: NodeId
    module_hash: ModuleHash
    created_at: datetime
    kind: OrderKind = OrderKind.CLOSE
    close_code: int = 1000
    reason: OfflineReason = OfflineReason.REPLACED

    @property
    def id(self) -> str:
        """Return the document's id: one close and one probe per session, however often asked."""
        return self.session if self.kind is OrderKind.CLOSE else f"{self.session}:{self.kind}"
