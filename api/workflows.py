"""Workflows are created, listed and shown."""

import logging

from flask import Response

from api.app_state import app_state
from api.http.blueprint import Blueprint
from api.http.envelope import ok
from api.workflow_answers import (
    CreatedWorkflow,
    ShownWorkflow,
    StartedWorkflow,
    WorkflowAnswer,
)
from api.workflow_listing import Page, answer_workflows
from api.workflow_requests import WorkflowBody, WorkflowReferenceBody, WorkflowsQuery
from shared.clock import utc_now
from shared.domain.actor import ANONYMOUS
from shared.domain.ids import WorkflowId
from shared.domain.workflow_file import NUMBER_MAX, WorkflowDraft
from shared.services.executions import run_workflow
from shared.services.workflow_lookup import get_workflow, to_items_with_figures
from shared.services.workflows import create_workflow

log = logging.getLogger(__name__)
workflows = Blueprint("workflows", __name__, description="Create workflows, list them, run them.")


@workflows.route("/workflow/create", methods=["POST"], endpoint="create_workflow")
@workflows.errors(404, 409)
@workflows.arguments(WorkflowBody(), location="body", description="JSON only.")
@workflows.response(201, CreatedWorkflow())
def create(draft: WorkflowDraft) -> Response:
    """Create a workflow.

    It fires by its cron lines, on the clocks of its time zone. Without `workflow_id` it gets the
    next free number.
    """
    state = app_state()
    with state.breaker.use() as store:
        workflow = create_workflow(store, draft, ANONYMOUS, utc_now(), state.directory)
    log.info("created a workflow", extra={"workflow_id": workflow.workflow_id})
    return ok(
        {
            "id": str(workflow.workflow_id),
            "workflow_id": workflow.workflow_id,
            "name": workflow.name,
            "execute_cron_list": list(workflow.crons),
            "next_due_at": workflow.next_due_at,
        },
        201,
    )


@workflows.route("/workflow/list")
@workflows.arguments(WorkflowsQuery(), location="query")
@workflows.response(200, WorkflowAnswer(many=True), headers=("Link",))
def list_workflows(page: Page) -> Response:
    """List every workflow.

    All of them come without `limit`, unless they are larger than 32 MiB: then `Link` names the rest.
    """
    return answer_workflows(app_state().workflows, page)


@workflows.route(f"/workflow/<int(max={NUMBER_MAX}):workflow_id>")
@workflows.errors(404)
@workflows.response(200, ShownWorkflow())
def show_workflow(workflow_id: WorkflowId) -> Response:
    """Show one workflow, and how punctual it was.

    The figures are those of the last 24 hours and 7 days.
    """
    with app_state().breaker.use() as store:
        workflow = get_workflow(store, workflow_id)
        (item,) = to_items_with_figures(store, [workflow], utc_now())
    return ok(item)


@workflows.route(
    f"/workflow/<int(max={NUMBER_MAX}):workflow_id>/execute",
    methods=["POST"],
    endpoint="execute_workflow",
)
@workflows.errors(404, 409)
@workflows.response(200, StartedWorkflow())
def execute_by_number(workflow_id: WorkflowId) -> Response:
    """Run a workflow now, whatever its schedule says.

    The answer names the execution; `GET /execution/<execution_id>` says what becomes of it.
    """
    return _execute(workflow_id)


@workflows.route("/workflow/execute", methods=["POST"], endpoint="execute_workflow_of_body")
@workflows.errors(404, 409)
@workflows.arguments(WorkflowReferenceBody(), location="body")
@workflows.response(200, StartedWorkflow())
def execute(reference: WorkflowId) -> Response:
    """Run a workflow now, whatever its schedule says.

    The answer names the execution; `GET /execution/<execution_id>` says what becomes of it.
    """
    return _execute(reference)


def _execute(workflow_id: WorkflowId) -> Response:
    with app_state().breaker.use() as store:
        workflow = get_workflow(store, workflow_id)
        execution = run_workflow(store, workflow, ANONYMOUS, utc_now())
    log.info("ran a workflow", extra={"execution_id": execution.id})
    return ok(
        {
            "workflow_id": workflow.workflow_id,
            "workflow_name": workflow.name,
            "message": f"The workflow was started; its execution is {execution.id}.",
            "execution_id": execution.id,
            "status": execution.status.value,
        }
    )
