"""One socket's life as a pure state machine: frames and times in, answers and closings out."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final

from shared.domain.closing import BYE, HEARTBEAT_TIMEOUT, INVALID_FRAMES, INVALID_TEXT, Closing
from shared.domain.ids import ModuleHash, SessionId
from wsd import protocol

INVALID_FRAMES_ALLOWED = 20
INVALID_FRAMES_WINDOW_SECONDS = 60


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
    """Close the socket; `detail` goes into the event of the session's end."""

    closing: Closing
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hand:
    """Hand on what a frame says about the module's work."""

    frame: protocol.WorkFrame


class Ask(Enum):
    """Ask a silent module whether its program still works."""

    ALIVE = auto()


Output = Reply | Close | Ask | Hand

CONFIRM: Final = (Reply(protocol.HEARTBEAT_CONFIRM),)
NOTHING: Final[tuple[Output, ...]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRules:
    """How long a module may be silent, in seconds of the node's working clock."""

    interval_seconds: float
    timeout_seconds: float


class SocketSession:
    """What one module's program sent, and when; times are seconds of the working clock.

    `connected_at` alone is a time of the wall: a rebind writes it again.
    """

    __slots__ = (
        "asked_at",
        "connected_at",
        "flushed_at",
        "invalid_frames_at",
        "last_heartbeat_at",
        "module_hash",
        "peer",
        "phase",
        "sends_heartbeats",
        "session_id",
    )

    def __init__(
        self,
        module_hash: ModuleHash,
        session_id: SessionId,
        peer: str,
        connected_at: datetime,
        now: float,
    ) -> None:
        self.module_hash = module_hash
        self.session_id = session_id
        self.peer = peer
        self.connected_at = connected_at
        self.phase = Phase.CONNECTING
        self.last_heartbeat_at = now
        self.asked_at = now
        self.flushed_at = float("-inf")
        self.sends_heartbeats = False
        self.invalid_frames_at: deque[float] | None = None

    def register(self, now: float) -> None:
        """Note that the claim succeeded.

        The session's start is stored and counts as a heartbeat: there is nothing to flush yet.
        """
        self.phase = Phase.REGISTERED
        self.last_heartbeat_at = self.asked_at = self.flushed_at = now

    def leave_out_gap(self, now: float) -> None:
        """Take back times that were read during a freeze, before the clock left it out."""
        self.last_heartbeat_at = min(self.last_heartbeat_at, now)
        self.asked_at = min(self.asked_at, now)
        self.flushed_at = min(self.flushed_at, now)

    def receive(self, data: bytes, now: float) -> Sequence[Output]:
        """Take a text frame; return what to answer."""
        if self.phase is not Phase.REGISTERED:
            return NOTHING
        if data == protocol.HEARTBEAT:
            self.last_heartbeat_at = now
            self.sends_heartbeats = True
            return CONFIRM
        frame = protocol.parse(data)
        if isinstance(frame, protocol.Invalid):
            if not _is_text(data):
                return self.close(INVALID_TEXT)
            return self.receive_invalid(frame.problem, now)
        self.last_heartbeat_at = now
        match frame:
            case protocol.Pong():
                return NOTHING
            case protocol.Bye(reason, back_by):
                said = {"bye_reason": reason, "back_by": back_by}
                return self.close(BYE, {name: text for name, text in said.items() if text})
        return (Hand(frame),)

    def receive_invalid(self, problem: str, now: float) -> Sequence[Output]:
        """Answer what is not a JSON object; close after the twentieth within a minute."""
        if self.phase is not Phase.REGISTERED:
            return NOTHING
        if self.invalid_frames_at is None:
            self.invalid_frames_at = deque(maxlen=INVALID_FRAMES_ALLOWED)
        self.invalid_frames_at.append(now)
        is_full = len(self.invalid_frames_at) == INVALID_FRAMES_ALLOWED
        if is_full and now - self.invalid_frames_at[0] <= INVALID_FRAMES_WINDOW_SECONDS:
            return self.close(INVALID_FRAMES)
        return (Reply(protocol.encode_error(problem)),)

    def check(self, now: float, rules: SilenceRules) -> Sequence[Output]:
        """Return what a module's silence calls for: nothing, a question, or the end."""
        if self.phase is not Phase.REGISTERED:
            return NOTHING
        silent_seconds = now - self.last_heartbeat_at
        if silent_seconds < rules.interval_seconds:
            return NOTHING
        if silent_seconds >= rules.timeout_seconds:
            return self.close(HEARTBEAT_TIMEOUT)
        if self.sends_heartbeats or now - self.asked_at < rules.interval_seconds:
            return NOTHING
        self.asked_at = now
        return (Ask.ALIVE,)

    def next_check_at(self, rules: SilenceRules) -> float:
        """Return the earliest time at which `check` has something to say, if nothing arrives."""
        close_at = self.last_heartbeat_at + rules.timeout_seconds
        if self.sends_heartbeats:
            return close_at
        return min(close_at, max(self.last_heartbeat_at, self.asked_at) + rules.interval_seconds)

    def close(self, closing: Closing, detail: Mapping[str, Any] | None = None) -> Sequence[Output]:
        """Start closing; nothing that arrives from now on counts."""
        if self.phase is Phase.CLOSING:
            return NOTHING
        self.phase = Phase.CLOSING
        return (Close(closing, detail or {}),)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
