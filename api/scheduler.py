"""What fires next, in the words of earlier clients, whose scheduler ran in one process."""

from flask import Response

from api.app_state import app_state
from api.http.blueprint import Blueprint
from api.http.envelope import ok
from api.workflow_answers import JobAnswer, ReloadedAnswer
from api.workflow_listing import Page, answer_workflows
from api.workflow_requests import WorkflowsQuery

scheduler = Blueprint("scheduler", __name__, description="What fires next, for earlier clients.")
NOTHING_TO_RELOAD = "Nothing needs to be reloaded: a change counts as soon as it is saved."


@scheduler.route("/scheduler/jobs")
@scheduler.arguments(WorkflowsQuery(), location="query")
@scheduler.response(200, JobAnswer(many=True), headers=("Link",))
def list_jobs(page: Page) -> Response:
    """List the enabled workflows, and when each fires next.

    A workflow is a job, as it was in the earlier implementation.
    """
    return answer_workflows(app_state().jobs, page)


@scheduler.route("/scheduler/reload", methods=["POST"])
@scheduler.response(200, ReloadedAnswer())
def reload_jobs() -> Response:
    """Say what fires.

    Nothing is reloaded: the schedules are read where they are stored, whenever they change.
    """
    with app_state().breaker.use() as store:
        enabled = store.workflows.names(of_enabled=True)
    return ok(
        {
            "removed_count": 0,
            "current_count": len(enabled),
            "enabled_workflows": [
                {"workflow_id": number, "name": name} for number, name in enabled.items()
            ],
            "message": NOTHING_TO_RELOAD,
        }
    )
