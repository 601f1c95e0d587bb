"""How a connection ended, or was not had, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Advice(Enum):
    """What to do after a connection ended."""

    RECONNECT = "reconnect with full-jitter back-off"
    RECONNECT_LATER = "is the program running twice? Reconnect after a minute and jitter"
    REGISTER = "register again"
    STAY_AWAY = "look again every ten minutes whether an operator has enabled the module"


# Close codes of the platform and statuses of refused handshakes; every other one: reconnect.
ADVICE = {
    4501: Advice.REGISTER,
    4503: Advice.STAY_AWAY,
    4509: Advice.RECONNECT_LATER,
    4523: Advice.STAY_AWAY,
    401: Advice.STAY_AWAY,
    403: Advice.STAY_AWAY,
    404: Advice.REGISTER,
}
TOO_BIG = 1009
INTERNAL_ERROR = 1011


@dataclass(frozen=True)
class Ending:
    """One connection's end: a close code, an HTTP status, or 0 for a network's failure."""

    code: int
    reason: str
    retry_after: float = 0.0
    lasted: float = 0.0
    is_ambiguous: bool = False  # over one of several results

    @property
    def advice(self) -> Advice:
        """Return what to do next."""
        return ADVICE.get(self.code, Advice.RECONNECT)

    @property
    def is_unforeseen(self) -> bool:
        """Return whether a person should look at it."""
        return self.advice is not Advice.RECONNECT or self.code in (400, 1002, 1007, 1008, 1009)
