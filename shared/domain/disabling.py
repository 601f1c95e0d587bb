"""Why a module is kept away: what the operator said, and what its program hears of it."""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.actor import Actor
from shared.domain.closing import DISABLED, Closing
from shared.domain.phrases import name_actor

BECAUSE_MAX_LENGTH = 200
# A close frame has room for 125 bytes, two of which are its code.
CLOSE_TEXT_MAX_BYTES = 123
# A module that is enabled again comes back by itself within this time.
RETRY_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Disabling:
    """An operator's decision to keep a module away."""

    at: datetime
    actor: Actor
    because: str = ""

    def tell(self) -> str:
        """Return the actor and the reason, as people read them."""
        because = f": {self.because}" if self.because else ""
        return f"{name_actor(self.actor)} disabled the module{because}"


def closing_of(disabling: Disabling | None) -> Closing:
    """Return how the socket of a disabled module is closed; an earlier release gave no reason."""
    return replace(DISABLED, text=_fit(disabling.tell())) if disabling else DISABLED


def refusal_of(disabling: Disabling | None) -> str:
    """Return the sentence that refuses a disabled module's handshake."""
    if disabling is None:
        return "An operator disabled this module."
    since = f"since {disabling.at:%Y-%m-%d %H:%M} UTC"
    because = f": {disabling.because}" if disabling.because else "."
    return f"This module is disabled {since}, by {name_actor(disabling.actor)}{because}"


def _fit(text: str) -> str:
    """Cut a text to what a close frame holds, between two characters."""
    if len(text.encode()) <= CLOSE_TEXT_MAX_BYTES:
        return text
    room = CLOSE_TEXT_MAX_BYTES - len("…".encode())
    return text.encode()[:room].decode(errors="ignore").rstrip() + "…"
