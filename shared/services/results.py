"""Results for the programs and people that wait for them."""

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import orjson

from shared.domain.ids import MessageId
from shared.domain.module import Module
from shared.domain.result import LateResult, Result, ResultStatus
from shared.errors import NotFound
from shared.services.message_history import READ_SECONDS, latest_change, no_message
from shared.store import Store, batch_timeout


@dataclass(frozen=True, kw_only=True)
class ResultSeen:
    """A result beside its module, unless that is deleted."""

    result: Result
    module: Module | None


def get_result(store: Store, message_id: MessageId) -> ResultSeen:
    """Return the result of a message; raises NotFound, which says how far the message got."""
    result = store.results.get(message_id)
    if result is None:
        raise _no_result(store, message_id)
    modules = store.modules.brief([result.module_hash])
    return ResultSeen(result=result, module=modules[0] if modules else None)


def list_results(
    store: Store, module: Module, now: datetime, *, since: datetime | None = None, limit: int
) -> list[ResultSeen]:
    """Return a module's results, newest first."""
    with batch_timeout(READ_SECONDS):
        page = list(islice(store.results.newest(module.module_hash, now, since), limit))
        whole = store.results.read(result.message_id for result in page)
    return [
        ResultSeen(result=whole[r.message_id], module=module) for r in page if r.message_id in whole
    ]


def find_newest_success(
    store: Store, module: Module, now: datetime, since: datetime | None = None
) -> ResultSeen | None:
    """Return a module's newest success, or None."""
    with batch_timeout(READ_SECONDS):
        found = store.results.newest(module.module_hash, now, since)
        success = next((r for r in found if r.status is ResultStatus.SUCCESS), None)
        whole = store.results.get(success.message_id) if success else None
    return ResultSeen(result=whole, module=module) if whole else None


def _no_result(store: Store, message_id: MessageId) -> NotFound:
    message = store.messages.get(message_id)
    if message is None:
        return no_message(message_id)
    since = latest_change(message).isoformat(timespec="seconds").replace("+00:00", "Z")
    return NotFound(
        f"The message {message_id!r} has no result yet: it is {message.status} since {since}."
    )


def to_result_item(seen: ResultSeen) -> dict[str, Any]:
    """Return the public form of a result; what the module said stands in it as it is stored."""
    result, module = seen.result, seen.module
    return {
        "message_id": result.message_id,
        "module_id": module.module_id if module else None,
        "module_name": module.name if module else None,
        "module_hash": result.module_hash,
        "missionKind": result.mission_kind,
        "status": result.status.value,
        "reason": result.reason.value if result.reason else None,
        "error": result.error,
        "content": _fragment(result.content),
        "remark": result.remark,
        "is_by_module": result.is_by_module,
        "at": result.at,
        "sent_at": result.sent_at,
        "attempt": result.attempt,
        "retry_after_seconds": result.retry_after_seconds,
        "workflow_id": result.workflow_id,
        "execution_id": result.execution_id,
        "step": result.step,
        "late": [_to_late_item(late) for late in result.late],
    }


def _to_late_item(late: LateResult) -> dict[str, Any]:
    return {
        "at": late.at,
        "status": late.status.value,
        "error": late.error,
        "content": _fragment(late.content),
    }


def _fragment(content: str | None) -> orjson.Fragment | None:
    return None if content is None else orjson.Fragment(content)
