"""What fires next, in the words of earlier clients, whose scheduler ran in one process."""

from typing import Any

from flask import Response

from api.app_state import app_state
from api.http.blueprint import Blueprint
from api.http.envelope import ok
from api.workflow_requests import JobAnswer, ReloadedAnswer
from shared.domain.firing import LATEST_GRACE
from shared.domain.local_time import find_zone
from shared.domain.workflow import Overlap, Workflow

scheduler = Blueprint("scheduler", __name__, description="What fires next, for earlier clients.")
NO_LIMIT = 2**31 - 1
NOTHING_TO_RELOAD = "Nothing needs to be reloaded: a change counts as soon as it is saved."


@scheduler.route("/scheduler/jobs")
@scheduler.response(200, JobAnswer(many=True))
def list_jobs() -> Response:
    """List the enabled workflows, and when each fires next."""
    with app_state().breaker.use() as store:
        return ok([_to_job(workflow) for workflow in store.workflows.all() if workflow.enabled])


@scheduler.route("/scheduler/reload", methods=["POST"])
@scheduler.response(200, ReloadedAnswer())
def reload_jobs() -> Response:
    """Say what fires; the schedules are read where they are stored, whenever they change."""
    with app_state().breaker.use() as store:
        enabled = [workflow for workflow in store.workflows.all() if workflow.enabled]
    return ok(
        {
            "removed_count": 0,
            "current_count": len(enabled),
            "enabled_workflows": [
                {"workflow_id": workflow.workflow_id, "name": workflow.name} for workflow in enabled
            ],
            "message": NOTHING_TO_RELOAD,
        }
    )


def _to_job(workflow: Workflow) -> dict[str, Any]:
    due = workflow.next_due_at
    return {
        "job_id": f"workflow_{workflow.workflow_id}",
        "name": workflow.name,
        "func": "execute_workflow",
        "next_run_time": due.astimezone(find_zone(workflow.timezone)).isoformat() if due else None,
        "trigger": _trigger(workflow),
        "max_instances": NO_LIMIT if workflow.overlap is Overlap.ALLOW else 1,
        "misfire_grace_time": int(LATEST_GRACE.total_seconds()),
        "workflow": {
            "id": str(workflow.workflow_id),
            "workflow_id": workflow.workflow_id,
            "name": workflow.name,
            "enable": workflow.enabled,
            "description": workflow.description,
        },
    }


def _trigger(workflow: Workflow) -> str:
    crons = [f"cron[{line}]" for line in workflow.crons]
    return crons[0] if len(crons) == 1 else f"or[{', '.join(crons)}]"
