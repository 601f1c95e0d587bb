"""Why: gathers the stored facts about an execution or a message, and explains it."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from shared.clock import machine_timezone
from shared.domain.event import ALL_WORKERS, CLOCK_DISTRUSTED, CLOCK_TRUSTED, PRESENCE, Event
from shared.domain.execution import Execution, ExecutionStatus
from shared.domain.facts import Facts, gaps_of
from shared.domain.ids import ExecutionId, ModuleHash
from shared.domain.message import Message
from shared.domain.why import Explanation, explain
from shared.store import Store, batch_timeout

READ_SECONDS = 10.0
# How long before a piece of work the events of its modules are read: what they were in then.
LOOK_BACK = timedelta(days=1)
# A worker tells of a gap when it is over.
LONGEST_GAP = timedelta(days=1)
NEIGHBOURS = timedelta(days=1)


def explain_execution(store: Store, execution: Execution, now: datetime) -> Explanation:
    """Explain what became of an execution."""
    with batch_timeout(READ_SECONDS):
        return explain(execution, gather_about_execution(store, execution, now))


def explain_message(store: Store, message: Message, now: datetime) -> Explanation:
    """Explain what became of a message."""
    with batch_timeout(READ_SECONDS):
        results = store.results.read([message.id])
        result = results.get(message.id)
        end = message.ended_at or (result.at if result else now)
        hashes = {message.module_hash}
        facts = gather_surroundings(store, hashes, message.created_at, end, now)
        known = replace(facts, messages={message.id: message}, results=results)
        return explain(message, known, _timezone_of(store, message))


def _timezone_of(store: Store, message: Message) -> str:
    """Return the zone that a message is told in: its workflow's, or else this machine's."""
    number = message.workflow_id
    workflow = store.workflows.get(number) if number is not None else None
    return workflow.timezone if workflow else machine_timezone(message.created_at)


def gather_about_execution(store: Store, execution: Execution, now: datetime) -> Facts:
    """Read what is known about an execution, its tries, its modules and its neighbours."""
    tries = [a_try for run in execution.steps for a_try in run.tries]
    named = {step.module_hash for step in execution.workflow.steps if step.module_hash}
    hashes = named | {a_try.module_hash for a_try in tries}
    begin = min([execution.due_at, *(a_try.at for a_try in tries)])
    end = execution.ended_at or now
    ids = [a_try.message_id for a_try in tries]
    return replace(
        gather_surroundings(store, hashes, begin, max(end, execution.created_at), now),
        messages=store.messages.read(ids),
        results=store.results.read(ids),
        blocker=_find_blocker(store, execution),
        successor=_find_successor(store, execution),
    )


def gather_surroundings(
    store: Store, hashes: Collection[ModuleHash], begin: datetime, end: datetime, now: datetime
) -> Facts:
    """Read what happened to these modules, to nodes, workers and clocks around some time."""
    signs = store.workers.all()
    modules = {key: module for key in hashes if (module := store.modules.get(key))}
    events = [
        event for module_hash in hashes for event in _read_presence(store, module_hash, begin, now)
    ]
    nodes = {event.detail.get("node") for event in events} - {None}
    nodes_events = store.events.of_subjects(map(str, nodes), begin - LOOK_BACK, end)
    about_workers = store.events.of_subjects(
        [ALL_WORKERS.id, *signs], begin - LOOK_BACK, end + LONGEST_GAP
    )
    clocks = (CLOCK_DISTRUSTED, CLOCK_TRUSTED)
    return Facts(
        now=now,
        modules=modules,
        events=[*events, *nodes_events],
        gaps=gaps_of(about_workers),
        clocks=[event for event in about_workers if event.what in clocks],
        last_worker_sign=max(signs.values(), default=None),
    )


def _read_presence(
    store: Store, module_hash: ModuleHash, begin: datetime, now: datetime
) -> list[Event]:
    """Return a module's events, from the one that tells what state it was in at the begin."""
    events = store.events.of_subjects([module_hash], begin - LOOK_BACK, now)
    if any(event.at <= begin and event.what in PRESENCE for event in events):
        return events
    before = store.events.last_before(module_hash, begin - LOOK_BACK, PRESENCE)
    return [before, *events] if before else events


def _find_blocker(store: Store, execution: Execution) -> Execution | None:
    """Return the execution that this one had to wait for, or gave way to."""
    behind = execution.detail.get("behind")
    if isinstance(behind, str):
        return store.executions.get(ExecutionId(behind))
    if not _may_be_blocked(execution):
        return None
    earlier = store.executions.due_between(
        execution.workflow_id, execution.due_at - NEIGHBOURS, execution.due_at
    )
    begun = execution.started_at or execution.created_at
    return next((e for e in earlier if _ran_at(e, execution.due_at, begun)), None)


def _may_be_blocked(execution: Execution) -> bool:
    if execution.status is ExecutionStatus.SUCCEEDED:
        return execution.is_late(execution.ended_at or execution.due_at)
    return execution.status in (ExecutionStatus.WAITING, ExecutionStatus.SKIPPED)


def _ran_at(other: Execution, due_at: datetime, begun: datetime) -> bool:
    """Return whether an earlier execution was in the way of one that began only then."""
    if other.started_at is None or other.started_at > due_at:
        return False
    return other.ended_at is None or due_at < other.ended_at <= begun + timedelta(seconds=10)


def _find_successor(store: Store, execution: Execution) -> Execution | None:
    """Return the execution that was run instead of a missed one."""
    if execution.status is not ExecutionStatus.MISSED:
        return None
    instead = execution.detail.get("instead")
    return store.executions.get(ExecutionId(instead)) if isinstance(instead, str) else None
