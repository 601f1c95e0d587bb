"""What became of a message, in one sentence."""

from dataclasses import replace
from datetime import timedelta

from shared.domain.causes import Piece, piece_of_message, tell_cause, tell_presence
from shared.domain.facts import Facts
from shared.domain.message import EndReason, Message, MessageStatus
from shared.domain.phrases import WallClock, quote, tell_duration

# What a status says by itself, where the reason is not known (any more).
_USUAL_REASON = {
    MessageStatus.FAILED: EndReason.MODULE_FAILURE,
    MessageStatus.EXPIRED: EndReason.LIFE_OVER,
    MessageStatus.CANCELLED: EndReason.OPERATOR,
    MessageStatus.DEAD: EndReason.NO_ACK,
    MessageStatus.TIMED_OUT: EndReason.NO_RESULT,
}
_WORDS = {MessageStatus.TIMED_OUT: "timed out"}


def tell_message(message: Message, facts: Facts, clock: WallClock) -> str:
    """Return the sentence about a message."""
    piece = piece_of_message(message, facts)
    if message.status is MessageStatus.SUCCEEDED:
        return _tell_success(message, piece, facts, clock)
    if not message.status.is_final:
        return _tell_open(message, piece, facts, clock)
    known = replace(piece, reason=piece.reason or _USUAL_REASON[message.status])
    word = _WORDS.get(message.status, message.status.value)
    return f"{word}: {tell_cause(known, facts, clock)}"


def _tell_success(message: Message, piece: Piece, facts: Facts, clock: WallClock) -> str:
    took = tell_duration(piece.end - piece.began_work_at)
    waited = piece.began_work_at - piece.begin
    name = facts.name(message.module_hash)
    sentence = f"succeeded: {name} answered at {clock.tell(piece.end)}, after {took}"
    if waited < timedelta(seconds=1):
        return sentence
    spans = facts.offline(message.module_hash, piece.begin, piece.began_work_at)
    presence = tell_presence(spans, piece.begin, piece.began_work_at, clock)
    which = presence if spans else "had earlier work"
    return f"{sentence}; it waited {tell_duration(waited)} before: {name} {which}"


def _tell_open(message: Message, piece: Piece, facts: Facts, clock: WallClock) -> str:
    name = facts.name(message.module_hash)
    if message.cancel_requested_at is not None:
        asked = clock.tell(message.cancel_requested_at)
        return f"being cancelled: {name} was asked at {asked} to give it up"
    spans = facts.offline(message.module_hash, facts.now, facts.now + timedelta(seconds=1))
    presence = ""
    if spans:
        presence = f"; {name} {tell_presence(spans, facts.now, facts.now, clock)}"
    if message.status is MessageStatus.QUEUED:
        until = clock.tell(message.useful_until)
        waits = "it gets the message when it connects" if spans else "it is next, or busy"
        where = presence.removeprefix("; ") if spans else f"{name} is online"
        return f"queued: {where}; {waits} (useful until {until})"
    if message.status is MessageStatus.SENT:
        sent = clock.tell(piece.sent_at or piece.begin)
        attempt = max(1, message.attempt)
        return f"sent: pushed to {name} at {sent} (attempt {attempt}), no answer yet{presence}"
    note = ""
    if message.progress is not None and message.progress.note:
        note = f", which says {quote(message.progress.note)}"
    began = clock.tell(piece.began_work_at)
    return f"running: {name}{note} has been at it since {began}{presence}"
