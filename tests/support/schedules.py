"""Workflows of a test, the workers that run them, and the modules that answer, all in one thread."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.domain.execution import Execution
from shared.domain.ids import ExecutionId, WorkflowId
from shared.domain.message import EndReason, Message, MessageStatus
from shared.domain.module import Module
from shared.domain.result import Result, ResultStatus
from shared.domain.workflow import Workflow
from shared.services.advancing import advance_executions, begin_waiting, find_free
from shared.services.cancelling import cancel_requested
from shared.services.ending import end_messages
from shared.services.execution_ends import note_left_ends
from shared.services.scheduling import fire_due
from shared.store import Store
from tests.support.builders import make_result, make_step, make_workflow
from tests.support.registry import Registry

Answer = Callable[[Message], Result | None]


def succeed(message: Message) -> Result:
    """Answer as a module does that has done its work."""
    return make_result(message_id=message.id, module_hash=message.module_hash)


def fail(message: Message) -> Result:
    """Answer as a module does that could not do its work."""
    return make_result(
        message_id=message.id,
        module_hash=message.module_hash,
        status=ResultStatus.FAILURE,
        reason=EndReason.MODULE_FAILURE,
        error="no data",
    )


@dataclass
class Schedules:
    """One module that is online, workflows of it, and what became of them."""

    store: Store
    registry: Registry
    module: Module = field(init=False)

    def __post_init__(self) -> None:
        self.registry.enrol(lease_seconds=10 * 24 * 3600.0)
        self.module = self.registry.connect(self.registry.register("load-72h", mission_kind="load"))

    def add(self, *names: str, **overrides: Any) -> Workflow:
        """Store a workflow that is due now; its steps, of these names, come one after another."""
        chain = names or ("forecast",)
        steps = tuple(
            make_step(name=name, module_hash=self.module.module_hash, after=chain[n - 1 : n])
            if n
            else make_step(name=name, module_hash=self.module.module_hash)
            for n, name in enumerate(chain)
        )
        # 20:00 in Shanghai is noon in UTC.
        values = {"steps": steps, "crons": ("0 20 * * *",), "next_due_at": self.registry.now}
        workflow = make_workflow(**values | overrides)
        assert self.store.workflows.insert(workflow)
        return workflow

    def work(self, now: datetime, store: Store | None = None, **options: Any) -> None:
        """Do what one worker does, once; with a store of its own, it may be killed."""
        store = store or self.store
        while fire_due(store, now, **options).found:
            pass
        unfinished = list(store.executions.read(store.executions.unfinished()).values())
        for execution in unfinished:
            if execution.cancel_requested_by:
                cancel_requested(store, execution, now)
        unfinished = [e for e in unfinished if not e.cancel_requested_by]
        changed = {e.id: e for e in advance_executions(store, unfinished, now)}
        left = [changed.get(e.id, e) for e in unfinished]
        note_left_ends(store, now)
        begin_waiting(store, find_free(e for e in left if not e.status.is_final), now)

    def answer(self, now: datetime, how: Answer = succeed) -> int:
        """Have the module end all that waits for it; return how many messages those were."""
        waiting = self.store.deliveries.queued_for([self.module.module_hash])
        results = [result for result in map(how, waiting) if result is not None]
        end_messages(self.store, results, now)
        return len(results)

    def run(self, now: datetime, how: Answer = succeed, rounds: int = 10) -> None:
        """Go on until nothing is left to do at this moment."""
        for _ in range(rounds):
            self.work(now)
            self.answer(now, how)

    def workflow(self, workflow_id: int = 1) -> Workflow:
        """Return a workflow as it is stored."""
        found = self.store.workflows.get(WorkflowId(workflow_id))
        assert found is not None
        return found

    def all(self) -> list[Execution]:
        """Return all executions, oldest first."""
        collection = self.store.executions._collection
        ids = [ExecutionId(document["_id"]) for document in collection.find({}, {"_id": 1})]
        return sorted(self.store.executions.read(ids).values(), key=lambda e: (e.due_at, e.id))

    def messages(self) -> list[Message]:
        """Return all messages, oldest first."""
        collection = self.store.messages._collection
        ids = [document["_id"] for document in collection.find({}, {"_id": 1})]
        return sorted(self.store.messages.read(ids).values(), key=lambda m: (m.created_at, m.id))

    def open(self) -> list[Message]:
        """Return the messages that wait for the module."""
        return [message for message in self.messages() if message.status is MessageStatus.QUEUED]
