"""Executions are listed, shown and explained."""

from urllib.parse import urlencode

from flask import Response, request

from api.app_state import app_state
from api.execution_answers import ExecutionAnswer, ExplainedExecution, WhyAnswer
from api.execution_requests import ExecutionsQuery, ExecutionsRequest
from api.http.blueprint import Blueprint
from api.http.envelope import encode, ok, ok_encoded
from shared.clock import utc_now
from shared.domain.ids import ExecutionId, MessageId, WorkflowId
from shared.domain.workflow_file import NUMBER_MAX
from shared.services.execution_items import to_explained_item, to_items
from shared.services.execution_listing import list_executions
from shared.services.executions import get_execution
from shared.services.explaining import explain_execution, explain_message
from shared.services.message_history import get_message
from shared.services.workflow_lookup import get_workflow

executions = Blueprint(
    "executions", __name__, description="What became of the firings of workflows, and why."
)


@executions.route(
    f"/workflow/<int(max={NUMBER_MAX}):workflow_id>/executions", endpoint="list_executions"
)
@executions.errors(404)
@executions.arguments(ExecutionsQuery(), location="query")
@executions.response(200, ExecutionAnswer(many=True), headers=("Link",))
def list_of_workflow(wanted: ExecutionsRequest, workflow_id: WorkflowId) -> Response:
    """List a workflow's executions, newest first.

    `after` is the `execution_id` of the last one of the page before; `Link` has it.
    """
    now = utc_now()
    with app_state().breaker.use() as store:
        found = list_executions(
            store,
            now,
            workflow_id=get_workflow(store, workflow_id).workflow_id,
            status=wanted.status,
            since=wanted.since,
            limit=wanted.limit,
            after=wanted.after,
        )
        items = to_items(store, found, now)
    headers = {}
    if len(found) == wanted.limit:
        query = request.args.to_dict() | {"after": found[-1].id}
        headers["Link"] = f'<{request.path}?{urlencode(query)}>; rel="next"'
    return ok_encoded(encode(items), headers=headers)


@executions.route("/execution/<execution_id>", endpoint="show_execution")
@executions.errors(404)
@executions.response(200, ExplainedExecution())
def show(execution_id: ExecutionId) -> Response:
    """Show one execution.

    Its steps, their tries and results, and why it went as it did.
    """
    with app_state().breaker.use() as store:
        execution = get_execution(store, execution_id)
        return ok(to_explained_item(store, execution, utc_now()))


@executions.route("/execution/<execution_id>/why", endpoint="explain_execution")
@executions.errors(404)
@executions.response(200, WhyAnswer())
def why(execution_id: ExecutionId) -> Response:
    """Explain in one sentence why an execution went as it did.

    The sentence is made of the recorded facts that stand in `evidence`.
    """
    with app_state().breaker.use() as store:
        execution = get_execution(store, execution_id)
        return ok(explain_execution(store, execution, utc_now()).to_item())


@executions.route("/message/<message_id>/why", endpoint="explain_message")
@executions.errors(404)
@executions.response(200, WhyAnswer())
def why_message(message_id: MessageId) -> Response:
    """Explain in one sentence what became of a message.

    The sentence is made of the recorded facts that stand in `evidence`.
    """
    with app_state().breaker.use() as store:
        message = get_message(store, message_id).message
        return ok(explain_message(store, message, utc_now()).to_item())
