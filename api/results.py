"""Consumers fetch results."""

from flask import Response

from api.app_state import app_state
from api.http.blueprint import Blueprint
from api.http.envelope import ok
from api.message_answers import ResultAnswer
from api.message_requests import PageRequest, ResultsQuery
from shared.clock import utc_now
from shared.domain.ids import MessageId
from shared.services.module_lookup import find_by_reference
from shared.services.results import get_result, list_results, to_result_item

results = Blueprint("results", __name__, description="Fetch results.")


@results.route("/result/<message_id>")
@results.response(200, ResultAnswer())
def show_result(message_id: MessageId) -> Response:
    """Show the result of one message."""
    with app_state().breaker.use() as store:
        seen = get_result(store, message_id)
    return ok(to_result_item(seen))


@results.route("/module/<module:module>/results")
@results.arguments(ResultsQuery(), location="query")
@results.response(200, ResultAnswer(many=True))
def list_results_of_module(wanted: PageRequest, module: str) -> Response:
    """List a module's results, newest first."""
    state = app_state()
    with state.breaker.use() as store:
        found = list_results(
            store,
            find_by_reference(store, module, state.directory),
            utc_now(),
            since=wanted.since,
            limit=wanted.limit,
        )
    return ok([to_result_item(seen) for seen in found])
