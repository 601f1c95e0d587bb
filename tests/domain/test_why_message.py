"""Why: the sentences about messages."""

from typing import Any

from shared.domain.closing import OfflineReason
from shared.domain.facts import Facts
from shared.domain.message import EndReason, MessageStatus, Progress
from shared.domain.result import ResultStatus
from shared.domain.why import explain
from tests.support.builders import NOON, make_message, make_result
from tests.support.facts import HASH, at, away, facts


def message_with(status: MessageStatus, reason: EndReason, **overrides: Any) -> tuple[Any, Facts]:
    ended_at = overrides.pop("ended_at", at(10))
    known = overrides.pop("known", {})
    message = make_message(module_hash=HASH, status=status, ended_at=ended_at, **overrides)
    result = make_result(
        module_hash=HASH, at=ended_at, status=ResultStatus.FAILURE, reason=reason, content=None
    )
    return message, facts(results={message.id: result}, **known)


def test_a_message_that_was_never_acknowledged() -> None:
    message, known = message_with(MessageStatus.DEAD, EndReason.NO_ACK, attempt=3)
    assert explain(message, known).sentence == (
        "dead: pushed 3 times to load-72h and never acknowledged; "
        "it was online throughout, its program reads no work"
    )


def test_a_message_that_expired_while_its_module_was_away() -> None:
    gone = away(-30, None, OfflineReason.HEARTBEAT_TIMEOUT)
    message, known = message_with(
        MessageStatus.EXPIRED, EndReason.LIFE_OVER, useful_until=at(10), known=gone
    )
    assert explain(message, known).sentence == (
        "expired: load-72h was offline all the time since 19:30 (heartbeat_timeout), "
        "longer than the message's life of 10 min (see useful_until)"
    )


def test_a_message_without_a_result_tells_how_far_the_module_got() -> None:
    message, known = message_with(
        MessageStatus.TIMED_OUT,
        EndReason.NO_RESULT,
        sent_at=NOON,
        acked_at=at(0.05),
        timeout_seconds=600.0,
        progress=Progress(percent=40, note="fitted", at=at(5)),
    )
    assert explain(message, known).sentence == (
        "timed out: load-72h took the work up at 20:00:03 and sent no result within 10 min; "
        "it was online throughout; it last reported 40 % at 20:05"
    )


def test_a_message_that_waits_for_its_module() -> None:
    message = make_message(module_hash=HASH)
    known = facts(**away(-30, None, OfflineReason.BYE))
    assert explain(message, known).sentence == (
        "queued: load-72h was offline all the time since 19:30 (bye); "
        "it gets the message when it connects (useful until 22:00)"
    )
