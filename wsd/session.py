"""One socket's life as a pure state machine: frames and times in, answers and endings out."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from shared.domain.close_codes import CloseCode
from shared.domain.module import ModuleHash, OfflineReason, SessionId
from wsd import protocol

GARBAGE_ALLOWED_PER_MINUTE = 20


class Phase(Enum):
    """Where a socket is in its life."""

    CONNECTING = auto()
    REGISTERED = auto()
    CLOSING = auto()


@dataclass(frozen=True, slots=True)
class Reply:
    """Send this text."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket, and end the session for this reason."""

    code: CloseCode
    reason: OfflineReason
    text: str = ""


class Ask(Enum):
    """Ask a silent module whether its program still works."""

    ALIVE = auto()


Output = Reply | Close | Ask

CONFIRM: Final = (Reply(protocol.HEARTBEAT_CONFIRM),)
RECEIVED: Final = (Reply(protocol.RECEIVE_RESULT),)
NOTHING: Final[tuple[Output, ...]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a module may be silent, in seconds of the node's working clock."""

    interval_seconds: float
    timeout_seconds: float


class SocketSession:
    """What one module's program said, and when; times are seconds of the working clock."""

    __slots__ = (
        "asked_at",
        "flushed_at",
        "garbage_at",
        "module_hash",
        "peer",
        "phase",
        "sends_heartbeats",
        "session_id",
        "spoke_at",
    )

    def __init__(
        self, module_hash: ModuleHash, session_id: SessionId, peer: str, now: float
    ) -> None:
        self.module_hash = module_hash
        self.session_id = session_id
        self.peer = peer
        self.phase = Phase.CONNECTING
        self.spoke_at = now
        self.asked_at = now
        self.flushed_at = float("-inf")
        self.sends_heartbeats = False
        self.garbage_at: deque[float] | None = None

    def register(self, now: float) -> None:
        """Note that the handshake succeeded: the program is there.

        The session's start is stored and counts as a sign of life: there is nothing to flush yet.
        """
        self.phase = Phase.REGISTERED
        self.spoke_at = self.asked_at = self.flushed_at = now

    def leave_out_gap(self, now: float) -> None:
        """Take back times that were read during a freeze, before the clock left it out."""
        self.spoke_at = min(self.spoke_at, now)
        self.asked_at = min(self.asked_at, now)
        self.flushed_at = min(self.flushed_at, now)

    def receive(self, data: bytes, now: float) -> Sequence[Output]:
        """Take a text frame; return what to answer."""
        if self.phase is not Phase.REGISTERED:
            return NOTHING
        if data == protocol.HEARTBEAT:
            self.spoke_at = now
            self.sends_heartbeats = True
            return CONFIRM
        if not _is_text(data):
            return self.close(CloseCode.INVALID_TEXT, OfflineReason.CONNECTION_LOST, "not UTF-8")
        match protocol.parse(data):
            case protocol.Invalid(problem):
                return self.receive_garbage(problem, now)
            case protocol.Bye():
                self.spoke_at = now
                return self.close(CloseCode.NORMAL, OfflineReason.BYE, "bye")
            case protocol.Report():
                self.spoke_at = now
                return RECEIVED
        self.spoke_at = now
        return NOTHING

    def receive_garbage(self, problem: str, now: float) -> Sequence[Output]:
        """Answer what is not a JSON object; close after the twentieth within a minute."""
        if self.phase is not Phase.REGISTERED:
            return NOTHING
        if self.garbage_at is None:
            self.garbage_at = deque(maxlen=GARBAGE_ALLOWED_PER_MINUTE)
        self.garbage_at.append(now)
        recent = len(self.garbage_at) == GARBAGE_ALLOWED_PER_MINUTE
        if recent and now - self.garbage_at[0] <= 60:
            return self.close(
                CloseCode.POLICY_VIOLATION,
                OfflineReason.CONNECTION_LOST,
                "too many frames that are not JSON objects",
            )
        return (Reply(protocol.encode_error(problem)),)

    def check(self, now: float, patience: Patience) -> Sequence[Output]:
        """Return what a module's silence calls for: nothing, a question, or the end."""
        if self.phase is not Phase.REGISTERED:
            return NOTHING
        silent_seconds = now - self.spoke_at
        if silent_seconds < patience.interval_seconds:
            return NOTHING
        if silent_seconds >= patience.timeout_seconds:
            return self.close(
                CloseCode.HEARTBEAT_TIMEOUT, OfflineReason.HEARTBEAT_TIMEOUT, "heartbeat timeout"
            )
        if self.sends_heartbeats or now - self.asked_at < patience.interval_seconds:
            return NOTHING
        self.asked_at = now
        return (Ask.ALIVE,)

    def close(self, code: CloseCode, reason: OfflineReason, text: str = "") -> Sequence[Output]:
        """Start closing; nothing that arrives from now on counts."""
        if self.phase is Phase.CLOSING:
            return NOTHING
        self.phase = Phase.CLOSING
        return (Close(code, reason, text),)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
