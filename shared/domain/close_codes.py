"""Why a socket is closed, and whether its module should come back."""

from enum import IntEnum


class CloseCode(IntEnum):
    """The codes that the platform closes sockets with.

    After RESTART, TRY_LATER, HEARTBEAT_TIMEOUT and CLOSED_BY_OPERATOR a module reconnects with
    full-jitter back-off; after REPLACED once, a minute later; after UNKNOWN_MODULE it registers
    again first; after DISABLED it stays away.
    """

    NORMAL = 1000
    INVALID_TEXT = 1007  # a text frame that is not UTF-8
    POLICY_VIOLATION = 1008  # 20 frames a minute that were not JSON objects
    INTERNAL_ERROR = 1011
    RESTART = 1012
    TRY_LATER = 1013  # the peer reads too slowly
    HEARTBEAT_TIMEOUT = 4008
    CLOSED_BY_OPERATOR = 4010
    UNKNOWN_MODULE = 4501
    REPLACED = 4509
    DISABLED = 4523
