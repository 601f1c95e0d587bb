"""How a socket ends: code, reason, text and advice are one value, from the catalogue below."""

from dataclasses import dataclass
from enum import StrEnum


class OfflineReason(StrEnum):
    """Why a module is not online."""

    NEVER_CONNECTED = "never_connected"
    BYE = "bye"
    CONNECTION_LOST = "connection_lost"
    HEARTBEAT_TIMEOUT = "heartbeat_timeout"
    REPLACED = "replaced"
    EXPIRED_BY_OPERATOR = "expired_by_operator"
    NODE_LOST = "node_lost"
    PLATFORM_RESTART = "platform_restart"
    DISABLED = "disabled"
    DELETED = "deleted"
    CLOSED_BY_OPERATOR = "closed_by_operator"


class Advice(StrEnum):
    """What a module should do after its socket was closed."""

    NONE = "as it likes"
    CORRECT = "corrects its frames, then reconnects with back-off"
    RECONNECT = "reconnects with full-jitter back-off"
    RECONNECT_LATER = "reconnects once after 60 s and jitter, then with back-off"
    REGISTER = "registers again"
    STAY_AWAY = "stays away, and tries again every 10 minutes"


@dataclass(frozen=True, kw_only=True)
class Closing:
    """One way in which the platform closes a socket.

    `name` is what node commands store; `text` goes into the close frame and the event.
    """

    name: str
    code: int
    reason: OfflineReason
    text: str
    advice: Advice


BYE = Closing(name="bye", code=1000, reason=OfflineReason.BYE, text="bye", advice=Advice.NONE)
INVALID_TEXT = Closing(
    name="invalid_text",
    code=1007,
    reason=OfflineReason.CONNECTION_LOST,
    text="a text frame was not UTF-8",
    advice=Advice.CORRECT,
)
INVALID_FRAMES = Closing(
    name="invalid_frames",
    code=1008,
    reason=OfflineReason.CONNECTION_LOST,
    text="20 frames within a minute were not JSON objects",
    advice=Advice.CORRECT,
)
MESSAGE_TOO_BIG = Closing(
    name="message_too_big",
    code=1009,
    reason=OfflineReason.CONNECTION_LOST,
    text="a message was too big",
    advice=Advice.CORRECT,
)
PROTOCOL_ERROR = Closing(
    name="protocol_error",
    code=1002,
    reason=OfflineReason.CONNECTION_LOST,
    text="the bytes were not a WebSocket frame",
    advice=Advice.CORRECT,
)
INTERNAL_ERROR = Closing(
    name="internal_error",
    code=1011,
    reason=OfflineReason.CONNECTION_LOST,
    text="an error inside the platform",
    advice=Advice.RECONNECT,
)
RESTART = Closing(
    name="restart",
    code=1012,
    reason=OfflineReason.PLATFORM_RESTART,
    text="the platform restarts",
    advice=Advice.RECONNECT,
)
SLOW_READER = Closing(
    name="slow_reader",
    code=1013,
    reason=OfflineReason.CONNECTION_LOST,
    text="the module reads too slowly",
    advice=Advice.RECONNECT,
)
HEARTBEAT_TIMEOUT = Closing(
    name="heartbeat_timeout",
    code=4008,
    reason=OfflineReason.HEARTBEAT_TIMEOUT,
    text="no heartbeat came in time",
    advice=Advice.RECONNECT,
)
EXPIRED = Closing(
    name="expired",
    code=4010,
    reason=OfflineReason.EXPIRED_BY_OPERATOR,
    text="an operator put the module offline",
    advice=Advice.RECONNECT,
)
CLOSED = Closing(
    name="closed",
    code=4010,
    reason=OfflineReason.CLOSED_BY_OPERATOR,
    text="an operator closed the socket",
    advice=Advice.RECONNECT,
)
UNKNOWN_MODULE = Closing(
    name="unknown_module",
    code=4501,
    reason=OfflineReason.DELETED,
    text="no such module: register again",
    advice=Advice.REGISTER,
)
REPLACED = Closing(
    name="replaced",
    code=4509,
    reason=OfflineReason.REPLACED,
    text="a newer session took over",
    advice=Advice.RECONNECT_LATER,
)
DISABLED = Closing(
    name="disabled",
    code=4523,
    reason=OfflineReason.DISABLED,
    text="an operator disabled the module",
    advice=Advice.STAY_AWAY,
)

CATALOGUE = (
    BYE,
    PROTOCOL_ERROR,
    INVALID_TEXT,
    INVALID_FRAMES,
    MESSAGE_TOO_BIG,
    INTERNAL_ERROR,
    RESTART,
    SLOW_READER,
    HEARTBEAT_TIMEOUT,
    EXPIRED,
    CLOSED,
    UNKNOWN_MODULE,
    REPLACED,
    DISABLED,
)
_BY_NAME = {closing.name: closing for closing in CATALOGUE}


def find_closing(name: str) -> Closing:
    """Return the closing of this name; one that a newer release named is an operator's."""
    return _BY_NAME.get(name, CLOSED)
