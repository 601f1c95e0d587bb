"""One valid default of everything; a test names only what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.actor import user
from shared.domain.execution import Execution, ExecutionStatus, StepRun, StepTry, scheduled_id
from shared.domain.ids import MessageId, ModuleHash, NodeId, SessionId, WorkflowId
from shared.domain.message import DEFAULT_LIFE, Message
from shared.domain.module import Module, Registration, compute_module_hash
from shared.domain.node import Node
from shared.domain.presence import PresenceRules, judge_presence
from shared.domain.result import Result, ResultStatus
from shared.domain.session import Claim, Session
from shared.domain.workflow import Step, Workflow
from shared.services.module_listing import ListedModule

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NODE = NodeId("host-a:10090:1")
RULES = PresenceRules(interval=timedelta(seconds=30), flush=timedelta(seconds=10))
ACTOR = user("alice")


def make_registration(**overrides: Any) -> Registration:
    values: dict[str, Any] = {"name": "load-forecast", "description": "Tomorrow's load"}
    return Registration(**values | overrides)


def make_module(**overrides: Any) -> Module:
    values: dict[str, Any] = {
        "module_hash": compute_module_hash(overrides.get("name", "load-forecast"), "", ""),
        "module_id": 1,
        "name": "load-forecast",
        "registered_at": NOON,
        "updated_at": NOON,
        "state_since": NOON,
    }
    return Module(**values | overrides)


def make_session(**overrides: Any) -> Session:
    values: dict[str, Any] = {
        "id": SessionId("session-1"),
        "node": NODE,
        "peer": "192.0.2.7:50000",
        "connected_at": NOON,
    }
    return Session(**values | overrides)


def make_node(**overrides: Any) -> Node:
    values: dict[str, Any] = {
        "id": NODE,
        "address": "host-a:10090",
        "renewals": 1,
        "lease_until": NOON + timedelta(seconds=20),
        "started_at": NOON,
    }
    return Node(**values | overrides)


def make_claim(module_hash: ModuleHash, **overrides: Any) -> Claim:
    session = {
        k: overrides.pop(k) for k in ("id", "node", "peer", "connected_at") if k in overrides
    }
    return Claim(module_hash=module_hash, session=make_session(**session), **overrides)


def make_listed(now: datetime, **overrides: Any) -> ListedModule:
    module = make_module(**overrides)
    presence = judge_presence(module, {}, {NODE}, None, now, RULES)
    return ListedModule(module=module, presence=presence, last_alive_time=None)


def make_message(**overrides: Any) -> Message:
    created_at = overrides.get("created_at", NOON)
    useful_until = overrides.get("useful_until", created_at + DEFAULT_LIFE)
    values: dict[str, Any] = {
        "id": MessageId("message-1"),
        "module_hash": compute_module_hash("load-forecast", "", ""),
        "content": '{"type":"multiple_test"}',
        "created_at": created_at,
        "useful_until": useful_until,
        "deadline_at": useful_until,
        "sender": ACTOR,
    }
    return Message(**values | overrides)


def make_result(**overrides: Any) -> Result:
    values: dict[str, Any] = {
        "message_id": MessageId("message-1"),
        "module_hash": compute_module_hash("load-forecast", "", ""),
        "at": NOON,
        "status": ResultStatus.SUCCESS,
        "content": '{"values":[1,2,3]}',
        "is_by_module": True,
        "attempt": 1,
    }
    return Result(**values | overrides)


def make_step(**overrides: Any) -> Step:
    module_hash = compute_module_hash("load-forecast", "", "")
    return Step(**{"name": "forecast", "module_hash": module_hash} | overrides)


def make_workflow(**overrides: Any) -> Workflow:
    values: dict[str, Any] = {
        "workflow_id": WorkflowId(1),
        "name": "load-72h",
        "steps": (make_step(),),
        "crons": ("30 9 * * *",),
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Workflow(**values | overrides)


def make_step_try(**overrides: Any) -> StepTry:
    values: dict[str, Any] = {
        "message_id": MessageId("message-1"),
        "module_hash": compute_module_hash("load-forecast", "", ""),
        "at": NOON,
    }
    return StepTry(**values | overrides)


def make_step_run(**overrides: Any) -> StepRun:
    return StepRun(**{"name": "forecast"} | overrides)


def make_execution(**overrides: Any) -> Execution:
    workflow = overrides.pop("workflow", None) or make_workflow()
    due_at = overrides.get("due_at", NOON)
    values: dict[str, Any] = {
        "id": scheduled_id(workflow.workflow_id, due_at),
        "workflow": workflow,
        "due_at": due_at,
        "created_at": NOON,
        "status": ExecutionStatus.RUNNING,
        "steps": tuple(make_step_run(name=step.name) for step in workflow.steps),
    }
    return Execution(**values | overrides)
