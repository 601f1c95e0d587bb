"""What modules say about their work is recorded: results, and what they tell besides."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.ids import ExecutionId, MessageId, ModuleHash
from shared.domain.message import EndReason, Message
from shared.domain.result import LATE_KEPT, LateResult, Result, ResultStatus
from shared.services.ending import end_messages
from shared.store import Store, batch_timeout

REASONS = {
    ResultStatus.FAILURE: EndReason.MODULE_FAILURE,
    ResultStatus.CANCELLED: EndReason.MODULE_CANCELLED,
}


Words = tuple[ResultStatus, str | None, str | None]


@dataclass(frozen=True, kw_only=True)
class ModuleResult:
    """A module's result as it came; `message` is known for what its session was sent.

    Else the work is named by the message's id, or by that of the execution.
    """

    module_hash: ModuleHash
    at: datetime
    status: ResultStatus
    message: Message | None = None
    message_id: MessageId | None = None
    execution_id: ExecutionId | None = None
    content: str | None = None
    error: str | None = None
    remark: str | None = None
    retry_after_seconds: float | None = None


def record_results(
    store: Store, said: Sequence[ModuleResult], now: datetime
) -> list[Message | None]:
    """Store modules' results; return the message of each, None for work that is not its module's.

    The first result of a message ends it. The same one again changes nothing; another one is kept
    beside the first.
    """
    with batch_timeout():
        messages = _find_messages(store, said)
        results = [
            _to_result(one, message)
            for one, message in zip(said, messages, strict=True)
            if message is not None
        ]
        standing = end_messages(store, results, now)
        for result in _to_keep(results):
            _keep_late(store, result, standing[result.message_id])
    return messages


def _to_keep(results: Sequence[Result]) -> list[Result]:
    """Return the newest different results of each message: one may stand, and a few are kept late."""
    by_message: dict[MessageId, dict[Words, Result]] = defaultdict(dict)
    for result in reversed(results):
        kept, words = by_message[result.message_id], _words(result)
        if words in kept or len(kept) <= LATE_KEPT:
            kept[words] = result
    return [result for kept in by_message.values() for result in reversed(kept.values())]


def _find_messages(store: Store, said: Sequence[ModuleResult]) -> list[Message | None]:
    """Return the message of each result, None for work that is not its module's."""
    unknown = [one for one in said if one.message is None]
    executions = {o.execution_id for o in unknown if o.execution_id and not o.message_id}
    tries = {
        execution.id: [one.message_id for run in execution.steps for one in run.tries]
        for execution in store.executions.read(executions).values()
    }
    named = {o.message_id for o in unknown if o.message_id}
    by_id = store.deliveries.read(named.union(*tries.values()))
    return [one.message or _find_message(one, by_id, tries) for one in said]


def _find_message(
    said: ModuleResult,
    by_id: Mapping[MessageId, Message],
    tries: Mapping[ExecutionId, Sequence[MessageId]],
) -> Message | None:
    """Return the message that a result names, if it is its module's own."""
    ids: Sequence[MessageId] = ()
    if said.message_id:
        ids = [said.message_id]
    elif said.execution_id:
        ids = tries.get(said.execution_id, ())
    found = (by_id[one] for one in ids if one in by_id)
    own = [message for message in found if message.module_hash == said.module_hash]
    # Of several of one execution, the one that still waits, or the one that was sent last.
    own.sort(key=lambda m: (not m.status.is_final, m.sent_at or m.created_at))
    return own[-1] if own else None


def _to_result(said: ModuleResult, message: Message) -> Result:
    return Result(
        message_id=message.id,
        module_hash=message.module_hash,
        at=said.at,
        status=said.status,
        mission_kind=message.mission_kind,
        reason=REASONS.get(said.status),
        content=said.content,
        error=said.error,
        remark=said.remark,
        is_by_module=True,
        attempt=message.attempt,
        sent_at=message.sent_at,
        retry_after_seconds=said.retry_after_seconds,
        workflow_id=message.workflow_id,
        execution_id=message.execution_id,
        step=message.step,
    )


def _keep_late(store: Store, result: Result, standing: Result) -> None:
    """Keep a result that came second, unless it says what is stored already."""
    if standing is result or (standing.is_by_module and _words(standing) == _words(result)):
        return
    if _words(result) not in {_words(late) for late in standing.late}:
        late = LateResult(
            at=result.at, status=result.status, content=result.content, error=result.error
        )
        store.results.add_late(result.message_id, late)


def _words(result: Result | LateResult) -> Words:
    return result.status, result.content, result.error
