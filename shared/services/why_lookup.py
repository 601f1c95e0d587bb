"""What a question "why" is about: an execution, a message, a due time, or a workflow's last trouble."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from shared.domain.cron import due_times, next_due
from shared.domain.event import SubjectKind
from shared.domain.execution import Execution, ExecutionStatus, Trigger, scheduled_id
from shared.domain.ids import MessageId
from shared.domain.local_time import find_zone, first_moment
from shared.domain.phrases import WallClock, tell_duration
from shared.domain.punctuality import Punctuality, judge
from shared.domain.why import Explanation, explain_unrecorded
from shared.domain.workflow import Workflow
from shared.errors import Conflict, InvalidData, NotFound
from shared.services.execution_listing import find_execution, looks_like_id
from shared.services.explaining import explain_execution, explain_message, gather_surroundings
from shared.services.module_lookup import find_by_reference
from shared.services.worker_presence import SHORTEST_GAP, last_worker_sign
from shared.services.workflow_lookup import find_workflow
from shared.store import Store

LOOKED_THROUGH = 500
TEXT_SHOWN = 80
NEAR = timedelta(days=2)
# What is under way for longer is asked about, before it has ended.
SOON = timedelta(seconds=10)
_BAD = (
    ExecutionStatus.FAILED,
    ExecutionStatus.TIMED_OUT,
    ExecutionStatus.MISSED,
    ExecutionStatus.SKIPPED,
    ExecutionStatus.CANCELLED,
)
_is_time = re.compile(r"[0-2]?[0-9]:[0-5][0-9](:[0-5][0-9])?").fullmatch


@dataclass(frozen=True, kw_only=True)
class Why:
    """An explanation, and what it is of."""

    kind: SubjectKind
    id: str
    explanation: Explanation

    def to_item(self) -> dict[str, Any]:
        """Return the public form."""
        return {"subject": {"kind": self.kind.value, "id": self.id}} | self.explanation.to_item()


def explain_reference(store: Store, reference: str, due: str | None, now: datetime) -> Why:
    """Explain what a caller names; with a due time, that firing of the workflow.

    Raises NotFound, Conflict for what may mean several things, InvalidData for an odd time.
    """
    text = reference.strip()
    if due is not None:
        return _explain_due_time(store, find_workflow(store, text), due, now)
    if looks_like_id(text):
        execution = find_execution(store, text)
        return _of_execution(store, execution, now)
    message = store.messages.get(MessageId(text)) if text else None
    if message is not None:
        explanation = explain_message(store, message, now)
        return Why(kind=SubjectKind.MESSAGE, id=message.id, explanation=explanation)
    return _explain_latest_trouble(store, _find_workflow(store, text), now)


def _find_workflow(store: Store, text: str) -> Workflow:
    try:
        return find_workflow(store, text)
    except NotFound as error:
        raise NotFound(_tell_unknown(store, text, error.message)) from None


def _tell_unknown(store: Store, text: str, of_workflows: str) -> str:
    """Return what to ask instead about a module, or which workflow may be meant."""
    try:
        name = find_by_reference(store, text).name
    except (NotFound, Conflict):
        _, found, near = of_workflows.partition(" Near it: ")
        return f"No execution, message or workflow is {text[:TEXT_SHOWN]!r}.{found}{near}"
    return (
        f"{name!r} is a module, and no execution, message or workflow: "
        f"`platformctl show {name}` and `platformctl events --module {name}` tell what it does."
    )


def _of_execution(store: Store, execution: Execution, now: datetime) -> Why:
    explanation = explain_execution(store, execution, now)
    return Why(kind=SubjectKind.EXECUTION, id=execution.id, explanation=explanation)


def _explain_due_time(store: Store, workflow: Workflow, due: str, now: datetime) -> Why:
    due_at = parse_due(due, workflow.timezone, now)
    execution = _find_firing(store, workflow, due_at, now)
    if execution is not None:
        return _of_execution(store, execution, now)
    _require_due(workflow, due_at, now)
    return _unrecorded(store, workflow, due_at, now)


def parse_due(text: str, timezone: str, now: datetime) -> datetime:
    """Return the moment that a local time means: 09:30 is the last one; a date may stand before it.

    Raises InvalidData.
    """
    zone = find_zone(timezone)
    words = text.strip()
    try:
        if not _is_time(words):
            moment = datetime.fromisoformat(words)
            return moment.astimezone(UTC) if moment.tzinfo else first_moment(moment, zone)
        padded = words if words.index(":") == 2 else f"0{words}"
        return _last_such_time(time.fromisoformat(padded), zone, now)
    except (ValueError, OverflowError):
        raise InvalidData(
            f"The time {text[:TEXT_SHOWN]!r} is neither 09:30 nor 2026-11-21T09:30."
        ) from None


def _last_such_time(wanted: time, zone: ZoneInfo, now: datetime) -> datetime:
    today = now.astimezone(zone).date()
    moment = first_moment(datetime.combine(today, wanted), zone)
    if moment <= now:
        return moment
    return first_moment(datetime.combine(today - timedelta(days=1), wanted), zone)


def _find_firing(
    store: Store, workflow: Workflow, due_at: datetime, now: datetime
) -> Execution | None:
    """Return the execution of a due time, or the missed one that stands for it among others."""
    number = workflow.workflow_id
    found = store.executions.get(scheduled_id(number, due_at))
    if found is not None:
        return found
    same = store.executions.due_between(number, due_at, due_at + timedelta(seconds=1))
    if same:
        return same[0]
    earlier = store.executions.newest(number, now, until=due_at)
    cover = next((e for e in earlier if e.trigger is Trigger.SCHEDULE), None)
    last = cover.detail.get("last_due_at") if cover else None
    return cover if isinstance(last, datetime) and due_at <= last else None


def _require_due(workflow: Workflow, due_at: datetime, now: datetime) -> None:
    """Refuse a time at which the workflow is not due; name the times near it."""
    crons, zone, shift = workflow.crons, workflow.timezone, workflow.shift
    following = next_due(crons, zone, shift, due_at - timedelta(microseconds=1))
    if following == due_at:
        return
    clock = WallClock.of(zone, due_at)
    before = list(due_times(crons, zone, shift, max(due_at - NEAR, workflow.created_at), due_at))
    near = [clock.tell(at) for at in (*before[-1:], following)]
    raise NotFound(
        f"{workflow.name} is not due at {clock.tell(due_at)} ({zone}), but at {' and '.join(near)}."
    )


def _explain_latest_trouble(store: Store, workflow: Workflow, now: datetime) -> Why:
    overdue = workflow.next_due_at
    if overdue is not None and overdue < now - SHORTEST_GAP and _no_worker_since(store, overdue):
        return _unrecorded(store, workflow, overdue, now)
    newest = store.executions.newest(workflow.workflow_id, now)
    looked_at = list(islice(newest, LOOKED_THROUGH))
    told = next((execution for execution in looked_at if is_trouble(execution, now)), None)
    told = told or next((e for e in looked_at if not e.status.is_final), None)
    if told is not None:
        return _of_execution(store, told, now)
    return Why(
        kind=SubjectKind.WORKFLOW,
        id=str(workflow.workflow_id),
        explanation=Explanation(
            sentence=_tell_no_trouble(workflow, looked_at, now), timezone=workflow.timezone
        ),
    )


def is_trouble(execution: Execution, now: datetime) -> bool:
    """Return whether there is something to explain: no success, not on time, or not yet."""
    if execution.status in _BAD or judge(execution, now) in (Punctuality.LATE, Punctuality.MISSING):
        return True
    return not execution.status.is_final and _is_held_up(execution, now)


def _is_held_up(execution: Execution, now: datetime) -> bool:
    """Return whether it takes a while, or did not go well at once."""
    has_failed = any(run.next_try_at or len(run.tries) > 1 for run in execution.steps)
    return has_failed or now - execution.created_at > SOON


def _no_worker_since(store: Store, moment: datetime) -> bool:
    sign = last_worker_sign(store)
    return sign is None or sign <= moment


def _tell_no_trouble(workflow: Workflow, looked_at: list[Execution], now: datetime) -> str:
    if not looked_at:
        return f"nothing to explain: {workflow.name} was never due so far"
    span = tell_duration(now - looked_at[-1].due_at)
    count = len(looked_at)
    what = "the one execution" if count == 1 else f"all {count} executions"
    return f"nothing to explain: {what} of {workflow.name} in the last {span} went well"


def _unrecorded(store: Store, workflow: Workflow, due_at: datetime, now: datetime) -> Why:
    facts = gather_surroundings(store, [], due_at, now, now)
    return Why(
        kind=SubjectKind.WORKFLOW,
        id=str(workflow.workflow_id),
        explanation=explain_unrecorded(workflow, due_at, facts),
    )
