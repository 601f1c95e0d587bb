"""Why one message did not succeed, or came late: a clause for each reason, from the facts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.actor import Actor
from shared.domain.closing import OfflineReason
from shared.domain.execution import StepTry
from shared.domain.facts import Facts, Span
from shared.domain.ids import ModuleHash
from shared.domain.message import EndReason, Message, Progress
from shared.domain.phrases import WallClock, name_actor, quote, tell_duration, times

NODE_GONE = {
    OfflineReason.NODE_LOST: "died",
    OfflineReason.PLATFORM_RESTART: "was restarted",
}


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One message as an explanation sees it, whether it is told of by itself or as a step's try."""

    module_hash: ModuleHash
    begin: datetime
    end: datetime
    pushes: int = 0
    reason: EndReason | None = None
    error: str | None = None
    sent_at: datetime | None = None
    acked_at: datetime | None = None
    useful_until: datetime | None = None
    timeout_seconds: float | None = None
    start_timeout_seconds: float | None = None
    retry_after_seconds: float | None = None
    progress: Progress | None = None
    canceller: Actor | None = None
    kind: str = ""
    life_key: str = "start_timeout_seconds"  # what a longer life is asked for by

    @property
    def began_work_at(self) -> datetime:
        """Return when the module took it up, as far as that is known."""
        return self.acked_at or self.sent_at or self.begin


def piece_of_message(message: Message, facts: Facts) -> Piece:
    """Return a message and its result as a piece of work."""
    result = facts.results.get(message.id)
    return Piece(
        module_hash=message.module_hash,
        begin=message.created_at,
        end=message.ended_at or (result.at if result else facts.now),
        pushes=message.attempt,
        reason=result.reason if result else None,
        error=result.error if result else None,
        sent_at=message.sent_at or (result.sent_at if result else None),
        acked_at=message.acked_at,
        useful_until=message.useful_until,
        timeout_seconds=message.timeout_seconds,
        start_timeout_seconds=message.start_timeout_seconds,
        retry_after_seconds=result.retry_after_seconds if result else None,
        progress=message.progress,
        canceller=message.cancel_requested_by,
        kind=message.mission_kind,
        life_key="start_timeout_seconds" if message.execution_id else "useful_until",
    )


def piece_of_try(a_try: StepTry, facts: Facts) -> Piece:
    """Return a step's try as a piece of work; its message may be purged by now."""
    message = facts.messages.get(a_try.message_id)
    result = facts.results.get(a_try.message_id)
    pushes = message.attempt if message else (result.attempt if result else 0)
    return Piece(
        module_hash=a_try.module_hash,
        begin=a_try.at,
        end=a_try.ended_at or facts.now,
        pushes=pushes,
        reason=a_try.reason or (result.reason if result else None),
        error=a_try.error or (result.error if result else None),
        sent_at=message.sent_at if message else (result.sent_at if result else None),
        acked_at=message.acked_at if message else None,
        useful_until=message.useful_until if message else None,
        timeout_seconds=message.timeout_seconds if message else None,
        start_timeout_seconds=message.start_timeout_seconds if message else None,
        retry_after_seconds=result.retry_after_seconds if result else None,
        progress=message.progress if message else None,
        canceller=message.cancel_requested_by if message else None,
        kind=message.mission_kind if message else "",
    )


def tell_cause(piece: Piece, facts: Facts, clock: WallClock) -> str:
    """Return the clause that says why this piece of work did not succeed."""
    if piece.reason is None:
        said = f": {quote(piece.error)}" if piece.error else ""
        return f"no reason was recorded for {facts.name(piece.module_hash)}{said}"
    return _CAUSES[piece.reason](piece, facts, clock)


def tell_briefly(piece: Piece, facts: Facts, clock: WallClock) -> str:
    """Return the same in a few words, for what is told beside the cause itself."""
    for span in facts.offline(piece.module_hash, piece.begin, piece.end):
        if span.since is not None and span.since >= piece.begin:
            return tell_loss(piece.module_hash, span, facts, clock)
    name = facts.name(piece.module_hash)
    return f"{name} {BRIEFLY[piece.reason] if piece.reason else 'did not succeed'}"


def tell_loss(module_hash: ModuleHash, span: Span, facts: Facts, clock: WallClock) -> str:
    """Return how a module was lost: by its own connection, or with the node that held it."""
    at = clock.tell(span.since) if span.since else "an unknown time"
    for reason, what in NODE_GONE.items():
        if span.reason == reason and span.node:
            return f"wsd {span.node.rpartition(':')[0] or span.node} {what} at {at}"
    return f"{facts.name(module_hash)} went offline at {at} ({span.reason})"


def tell_presence(spans: Sequence[Span], begin: datetime, end: datetime, clock: WallClock) -> str:
    """Return where the module was in the meantime, as what follows its name."""
    if not spans:
        return "was online throughout"
    last = spans[-1]
    if len(spans) > 1:
        return f"was offline {times(len(spans))}, the last time {_tell_span(last, clock)}"
    starts_before = last.since is None or last.since <= begin
    ends_after = last.until is None or last.until >= end
    if starts_before and ends_after:
        return f"was offline all the time{_tell_since(last, clock)}"
    return f"was offline {_tell_span(last, clock)}"


def _tell_since(span: Span, clock: WallClock) -> str:
    if span.reason == OfflineReason.NEVER_CONNECTED:
        return " (it has never connected)"
    return f" since {clock.tell(span.since)} ({span.reason})" if span.since else ""


def _tell_span(span: Span, clock: WallClock) -> str:
    if span.reason == OfflineReason.NEVER_CONNECTED or span.since is None:
        return f"until it connected at {clock.tell(span.until)}" if span.until else "all the time"
    begin = f"from {clock.tell(span.since)} ({span.reason})"
    return f"{begin} to {clock.tell(span.until)}" if span.until else f"{begin} on"


def _where_it_was(piece: Piece, facts: Facts, clock: WallClock, *, online: str) -> str:
    """Return the module's presence; `online` says what follows when it was there all the time."""
    spans = facts.offline(piece.module_hash, piece.begin, piece.end)
    presence = tell_presence(spans, piece.begin, piece.end, clock)
    return presence if spans else f"{presence}{online}"


def _module_failure(piece: Piece, facts: Facts, clock: WallClock) -> str:
    said = f"answered {quote(piece.error)}" if piece.error else "answered that it failed"
    took = tell_duration(piece.end - piece.began_work_at)
    remark = "a module's own failure is not retried"
    if piece.retry_after_seconds is not None:
        pause = tell_duration(timedelta(seconds=piece.retry_after_seconds))
        remark = f"it asked to be tried again after {pause}"
    name = facts.name(piece.module_hash)
    return f"the module {name} {said} after {took} (attempt {max(1, piece.pushes)}; {remark})"


def _module_cancelled(piece: Piece, facts: Facts, clock: WallClock) -> str:
    asked = f" of {name_actor(piece.canceller)}" if piece.canceller else ""
    name = facts.name(piece.module_hash)
    return f"the module {name} gave the work up at the request{asked} at {clock.tell(piece.end)}"


def _life_over(piece: Piece, facts: Facts, clock: WallClock) -> str:
    until = piece.useful_until or piece.end
    life = tell_duration(max(timedelta(0), until - piece.begin))
    where = _where_it_was(
        piece, facts, clock, online=", but its work before this one took all of the time"
    )
    longer = f", longer than the message's life of {life} (see {piece.life_key})"
    if "online throughout" in where:
        longer = f" (the message's life of {life}: see {piece.life_key})"
    return f"{facts.name(piece.module_hash)} {where}{longer}"


def _no_ack(piece: Piece, facts: Facts, clock: WallClock) -> str:
    pushed = f"pushed {times(piece.pushes)}" if piece.pushes else "pushed"
    where = _where_it_was(piece, facts, clock, online=", its program reads no work")
    return f"{pushed} to {facts.name(piece.module_hash)} and never acknowledged; it {where}"


def _not_started(piece: Piece, facts: Facts, clock: WallClock) -> str:
    wait = tell_duration(
        timedelta(seconds=piece.start_timeout_seconds)
        if piece.start_timeout_seconds is not None
        else piece.end - piece.begin
    )
    where = _where_it_was(
        piece, facts, clock, online=": it was busy with other work, or its program reads none"
    )
    return f"{facts.name(piece.module_hash)} did not take the work up within {wait}; it {where}"


def _no_result(piece: Piece, facts: Facts, clock: WallClock) -> str:
    began = piece.began_work_at
    wait = tell_duration(
        timedelta(seconds=piece.timeout_seconds)
        if piece.timeout_seconds is not None
        else piece.end - began
    )
    took = "took the work up" if piece.acked_at else "was sent the work"
    name = facts.name(piece.module_hash)
    where = _where_it_was(piece, facts, clock, online="")
    told = f"; {_tell_progress(piece.progress, clock)}" if piece.progress else ""
    return (
        f"{name} {took} at {clock.tell(began)} and sent no result within {wait}; it {where}{told}"
    )


def _tell_progress(progress: Progress, clock: WallClock) -> str:
    percent = "" if progress.percent is None else f"{progress.percent:g} % "
    note = f"{quote(progress.note)} " if progress.note else ""
    return f"it last reported {percent or note or 'progress '}at {clock.tell(progress.at)}"


def _operator(piece: Piece, facts: Facts, clock: WallClock) -> str:
    operator = name_actor(piece.canceller) if piece.canceller else "an operator"
    return f"{operator} cancelled it at {clock.tell(piece.end)}"


def _execution_over(piece: Piece, facts: Facts, clock: WallClock) -> str:
    name = facts.name(piece.module_hash)
    return f"its execution was over at {clock.tell(piece.end)}, before {name} had ended the work"


def _unknown_module(piece: Piece, facts: Facts, clock: WallClock) -> str:
    deleted = facts.last_event(piece.module_hash, "deleted")
    how = f": {name_actor(deleted.actor)} deleted it at {clock.tell(deleted.at)}" if deleted else ""
    return f"{facts.name(piece.module_hash)} is not registered{how}"


def _module_disabled(piece: Piece, facts: Facts, clock: WallClock) -> str:
    decided = facts.last_event(piece.module_hash, "disabled")
    how = f" since {clock.tell(decided.at)}, by {name_actor(decided.actor)}" if decided else ""
    if decided and (because := decided.detail.get("because")):
        how += f": {quote(str(because))}"
    return f"the module {facts.name(piece.module_hash)} is disabled{how}"


def _no_module(piece: Piece, facts: Facts, clock: WallClock) -> str:
    kind = f"the kind {quote(piece.kind)}" if piece.kind else "the kind that was asked for"
    return f"no module of {kind} was online"


def _inputs_too_large(piece: Piece, facts: Facts, clock: WallClock) -> str:
    return "the results of the steps that it comes after are too large to be sent"


def _upstream_failed(piece: Piece, facts: Facts, clock: WallClock) -> str:
    return "a step that it comes after did not succeed"


_CAUSES: dict[EndReason, Callable[[Piece, Facts, WallClock], str]] = {
    EndReason.MODULE_FAILURE: _module_failure,
    EndReason.MODULE_CANCELLED: _module_cancelled,
    EndReason.LIFE_OVER: _life_over,
    EndReason.NO_ACK: _no_ack,
    EndReason.NOT_STARTED: _not_started,
    EndReason.NO_RESULT: _no_result,
    EndReason.OPERATOR: _operator,
    EndReason.EXECUTION_OVER: _execution_over,
    EndReason.UNKNOWN_MODULE: _unknown_module,
    EndReason.MODULE_DISABLED: _module_disabled,
    EndReason.NO_MODULE: _no_module,
    EndReason.INPUTS_TOO_LARGE: _inputs_too_large,
    EndReason.UPSTREAM_FAILED: _upstream_failed,
}
BRIEFLY = {
    EndReason.MODULE_FAILURE: "failed",
    EndReason.MODULE_CANCELLED: "gave the work up",
    EndReason.LIFE_OVER: "did not get the work while it was useful",
    EndReason.NO_ACK: "never acknowledged",
    EndReason.NOT_STARTED: "did not take the work up in time",
    EndReason.NO_RESULT: "sent no result in time",
    EndReason.OPERATOR: "lost the work to an operator",
    EndReason.EXECUTION_OVER: "was not needed any more",
    EndReason.UNKNOWN_MODULE: "was not registered",
    EndReason.MODULE_DISABLED: "was disabled",
    EndReason.NO_MODULE: "was not online",
    EndReason.INPUTS_TOO_LARGE: "could not be sent its inputs",
    EndReason.UPSTREAM_FAILED: "was never asked",
}
