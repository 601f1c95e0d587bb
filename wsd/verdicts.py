"""What a claim's verdict means: a refused handshake, or the end of a socket that was held."""

from shared.domain.close_codes import CloseCode
from shared.domain.module import OfflineReason
from shared.domain.session import ClaimOutcome, Verdict
from shared.errors import Forbidden, NotFound, TooManyRequests

LOOP_RETRY_AFTER_SECONDS = 30

# How a socket ends that could not be bound again.
CLOSES = {
    Verdict.SUPERSEDED: (CloseCode.REPLACED, OfflineReason.REPLACED, "a newer session took over"),
    Verdict.UNKNOWN_MODULE: (
        CloseCode.UNKNOWN_MODULE,
        OfflineReason.CONNECTION_LOST,
        "no such module: register again",
    ),
    Verdict.DISABLED: (CloseCode.DISABLED, OfflineReason.DISABLED, "the module is disabled"),
}


def raise_refusal(outcome: ClaimOutcome) -> None:
    """Raise what refuses the handshake of a claim that was not bound."""
    match outcome.verdict:
        case Verdict.BOUND:
            return
        case Verdict.UNKNOWN_MODULE:
            raise NotFound("No module has this hash: register first.")
        case Verdict.DISABLED:
            raise Forbidden("This module is disabled by an operator.")
        case _:
            raise TooManyRequests("This module is being claimed by others.", retry_after_seconds=1)


def too_many_takeovers() -> TooManyRequests:
    """Return what refuses the newcomer of a takeover loop."""
    return TooManyRequests(
        "Two programs use this hash at once: the other one is connected and answers.",
        retry_after_seconds=LOOP_RETRY_AFTER_SECONDS,
    )
