"""Steps are sent: modules are chosen for those that are ready, and their messages are queued."""

from collections.abc import Collection, Container, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.domain.data_window import resolve_windows
from shared.domain.execution import Execution, ExecutionStatus, StepRun, StepStatus
from shared.domain.execution_progress import (
    NoChoice,
    hold_step,
    left_out,
    named_modules,
    ready_steps,
    start_step,
)
from shared.domain.ids import MessageId, ModuleHash, NodeId
from shared.domain.message import EndReason, Message, content_size
from shared.domain.module import Module
from shared.domain.presence import PresenceRules, State
from shared.domain.result import Result, ResultStatus, end_of_message
from shared.domain.routing import Candidate, Choice, choose_in_order
from shared.domain.step_message import LARGEST_CONTENT_BYTES, step_message
from shared.domain.workflow import Step
from shared.services.cancelling import give_up_messages
from shared.services.ending import end_messages
from shared.services.module_directory import ModuleDirectory
from shared.services.module_reads import ModuleReads
from shared.services.queueing import queue_messages
from shared.services.routing import Router
from shared.store import Store


def start_ready_steps(
    store: Store,
    executions: Sequence[Execution],
    now: datetime,
    router: Router | None = None,
    modules: ModuleReads | None = None,
) -> list[Execution]:
    """Return the executions with a try of each step that is ready; nothing is written."""
    ready = [(execution, ready_steps(execution, now)) for execution in executions]
    named = {
        module
        for execution, positions in ready
        for position in positions
        for module in named_modules(execution.workflow.steps[position])
    }
    named_ones = (modules or ModuleReads(store)).of(named)
    choosing = _Choosing(store, named_ones.values(), now, router or make_router())
    return [choosing.start(execution, positions) for execution, positions in ready]


def make_router() -> Router:
    """Return a router by the default rules: being suspect only decides between equals."""
    rules = PresenceRules(interval=timedelta(seconds=30), flush=timedelta(seconds=10))
    return Router(ModuleDirectory(), rules)


def send_messages(
    store: Store,
    executions: Iterable[Execution],
    now: datetime,
    known: Iterable[MessageId] = (),
    modules: ModuleReads | None = None,
) -> list[MessageId]:
    """Queue the messages of all steps under way, but for those known to exist; return their ids.

    Each is made of its execution alone: a worker that was killed before this is made good for by
    the next one that looks, and two that send it write one.
    """
    known = set(known)
    waiting = [
        (execution, position)
        for execution in executions
        if execution.status is ExecutionStatus.RUNNING
        for position, run in enumerate(execution.steps)
        if run.status is StepStatus.SENT and run.tries[-1].message_id not in known
    ]
    if not waiting:
        return []
    chosen = {e.steps[p].tries[-1].module_hash for e, p in waiting}
    by_hash = (modules or ModuleReads(store)).of(chosen)
    results = store.results.read({i for e, p in waiting for i in _inputs_of(e, p).values()})
    messages = [_make_message(e, p, by_hash, results) for e, p in waiting]
    nodes = {key: m.session.node if m.session else None for key, m in by_hash.items()}
    is_new = queue_messages(store, [m for m in messages if _fits(m)], nodes) > 0
    end_messages(store, [_refuse(m) for m in messages if not _fits(m)], now)
    if is_new:
        # After they were queued: what was cancelled since it was read did not know of them.
        over = store.executions.over_among({execution.id for execution, _ in waiting})
        give_up_messages(store, [m.id for m in messages if m.execution_id in over], now)
    return [message.id for message in messages]


def find_missing_inputs(store: Store, execution: Execution) -> list[str]:
    """Return the steps whose results others wait for, and are not stored any more."""
    inputs = {
        message_id: name
        for position, run in enumerate(execution.steps)
        if not run.status.is_final
        for name, message_id in _inputs_of(execution, position).items()
    }
    stored = store.results.read_ends(inputs)
    return sorted({name for message_id, name in inputs.items() if message_id not in stored})


class _Choosing:
    """Chooses modules for many steps at once, among the named ones or by their kinds."""

    def __init__(
        self, store: Store, named: Collection[Module], now: datetime, router: Router
    ) -> None:
        self._store = store
        self._now = now
        self._router = router
        alive = {node.id for node in store.nodes.all() if node.is_alive(now)} if named else set()
        self._candidates = {m.module_hash: _look_at(m, alive) for m in named}

    def start(self, execution: Execution, positions: Sequence[int]) -> Execution:
        """Return the execution with a try of each of these steps, or held where none is left."""
        for position in positions:
            choice = self._choose(execution.workflow.steps[position], execution.steps[position])
            if isinstance(choice, Choice):
                execution = start_step(execution, position, choice, self._now)
            else:
                execution = hold_step(execution, position, choice, self._now)
        return execution

    def _choose(self, step: Step, run: StepRun) -> Choice | NoChoice:
        if step.mission_kind and not (run.tries and step.fallback):
            return self._choose_of_kind(step.mission_kind, step, run)
        named = [self._candidates[h] for h in named_modules(step) if h in self._candidates]
        choice = choose_in_order(named, left_out(run))
        if choice is not None:
            return choice
        if named:
            return NoChoice(reason=EndReason.MODULE_DISABLED, error="The module is disabled.")
        return NoChoice(reason=EndReason.UNKNOWN_MODULE, error="The module is not registered.")

    def _choose_of_kind(self, kind: str, step: Step, run: StepRun) -> Choice | NoChoice:
        """Choose a module of a kind; rather one that was not tried yet."""
        tried = {a_try.module_hash for a_try in run.tries}
        for failed in (tried, left_out(run)):
            choice = self._router.choose_of_kind(
                self._store, kind, self._now, fallback=step.fallback, failed=failed
            )
            if choice is not None:
                return choice
        error = f"No module of the kind {kind!r} is online."
        return NoChoice(reason=EndReason.NO_MODULE, error=error)


def _look_at(module: Module, alive: Container[NodeId]) -> Candidate:
    is_online = module.session is not None and module.session.node in alive
    return Candidate(
        module_hash=module.module_hash,
        module_id=module.module_id,
        name=module.name,
        priority=module.priority,
        enabled=module.enabled,
        state=State.ONLINE if is_online else State.OFFLINE,
    )


def _inputs_of(execution: Execution, position: int) -> dict[str, MessageId]:
    """Return the messages whose results a step gets, by the names of their steps."""
    runs = {run.name: run for run in execution.steps}
    names = execution.workflow.steps[position].after
    return {name: runs[name].tries[-1].message_id for name in names if runs[name].tries}


def _make_message(
    execution: Execution,
    position: int,
    modules: dict[ModuleHash, Module],
    results: dict[MessageId, Result],
) -> Message:
    module = modules.get(execution.steps[position].tries[-1].module_hash)
    inputs = _inputs_of(execution, position)
    return step_message(
        execution,
        position,
        mission_kind=module.mission_kind if module else "",
        windows=_windows(module, execution) if module else {},
        inputs={name: results[i] for name, i in inputs.items() if i in results},
    )


def _fits(message: Message) -> bool:
    return content_size(message.content) <= LARGEST_CONTENT_BYTES


def _refuse(message: Message) -> Result:
    """Return the end of a message that cannot be stored: its step fails, and says why."""
    mebibytes = content_size(message.content) / 2**20
    error = f"The results that this step gets take {mebibytes:.0f} MiB: no more than 8 are sent."
    reason = EndReason.INPUTS_TOO_LARGE
    return end_of_message(message, ResultStatus.DEAD, message.created_at, reason, error)


def _windows(module: Module, execution: Execution) -> dict[str, Any]:
    """Return the data that the module reads and writes at the execution's time."""
    requirements = {
        "dataRequirement": module.data_requirement,
        "input_data": module.input_data,
        "output_data": module.output_data,
    }
    return resolve_windows(requirements, execution.due_at, execution.workflow.timezone)
