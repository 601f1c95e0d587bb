"""A node command: one instruction to one node about one session."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.actor import PLATFORM, Actor
from shared.domain.closing import CLOSED, Closing
from shared.domain.ids import ModuleHash, NodeId, SessionId


class CommandKind(StrEnum):
    """What a node is asked to do with a session."""

    CLOSE = "close"
    PROBE = "probe"  # send a ping and report the pong, for a takeover that looks like a loop


@dataclass(frozen=True, kw_only=True)
class NodeCommand:
    """One instruction; `closing` says how a session is closed, and means nothing to a probe."""

    session: SessionId
    node: NodeId
    module_hash: ModuleHash
    created_at: datetime
    kind: CommandKind = CommandKind.CLOSE
    closing: Closing = CLOSED
    actor: Actor = PLATFORM

    @property
    def id(self) -> str:
        """Return the document's id: one close and one probe per session, however often asked."""
        return self.session if self.kind is CommandKind.CLOSE else f"{self.session}:{self.kind}"
