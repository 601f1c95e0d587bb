"""Consumers fetch results."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from flask import Response, request

from api.app_state import app_state
from api.circuit_breaker import REQUEST_SECONDS
from api.http.blueprint import Blueprint
from api.http.envelope import encode, ok, ok_encoded
from api.http.responses import IF_NONE_MATCH
from api.message_answers import LatestAnswer, ResultAnswer
from api.message_requests import LatestQuery, LatestRequest, PageRequest, ResultsQuery
from shared.clock import utc_now
from shared.domain.ids import MessageId, WorkflowId
from shared.domain.workflow_file import NUMBER_MAX
from shared.services.latest_results import Question, read_results
from shared.services.module_lookup import find_by_reference, find_hash
from shared.services.results import ResultSeen, get_result, list_results, to_result_item
from shared.services.workflow_lookup import find_workflow
from shared.store import Store

results = Blueprint("results", __name__, description="Fetch results.")


@results.route("/result/<message_id>")
@results.errors(404)
@results.response(200, ResultAnswer())
def show_result(message_id: MessageId) -> Response:
    """Show the result of one message.

    404 as long as there is none; the sentence says what the message waits for.
    """
    with app_state().breaker.use(REQUEST_SECONDS) as store:
        seen = get_result(store, message_id)
    return ok(to_result_item(seen))


@results.route("/module/<module:module>/results", endpoint="list_results")
@results.errors(404, 409)
@results.arguments(ResultsQuery(), location="query")
@results.response(200, ResultAnswer(many=True))
def list_results_of_module(wanted: PageRequest, module: str) -> Response:
    """List a module's results, newest first.

    Failures are among them: `status` says so.
    """
    state = app_state()
    with state.breaker.use(REQUEST_SECONDS) as store:
        found = list_results(
            store,
            find_by_reference(store, module, state.directory),
            utc_now(),
            since=wanted.since,
            limit=wanted.limit,
        )
    return ok([to_result_item(seen) for seen in found])


@results.route("/results/latest", endpoint="list_latest_results", parameters=[IF_NONE_MATCH])
@results.errors(404, 409)
@results.arguments(LatestQuery(), location="query")
@results.response(200, LatestAnswer(many=True), headers=("ETag",))
@results.response(304, headers=("ETag",))
def list_latest(wanted: LatestRequest) -> Response:
    """List the newest success of each module of a kind, or of a workflow.

    This is the one call that a consumer of forecasts needs.
    """
    state = app_state()
    now = utc_now()
    with state.breaker.use(REQUEST_SECONDS) as store:
        question = Question(
            mission_kind=wanted.mission_kind,
            workflow_id=_find_workflow(store, wanted.workflow) if wanted.workflow else None,
            module_hash=find_hash(store, wanted.module, state.directory) if wanted.module else None,
        )
        ids = state.latest.find(store, question, now)
        etag = _make_etag(ids, now)
        headers = {"ETag": f'W/"{etag}"', "Cache-Control": "no-cache"}
        if request.if_none_match.contains_weak(etag):
            return Response(status=304, headers=headers)
        seen = read_results(store, ids)
    items = [to_result_item(one) | _age(one, now) for one in seen]
    return ok_encoded(encode(items), headers=headers)


def _find_workflow(store: Store, reference: str) -> WorkflowId:
    """Return the workflow's number: taken at its word, for names have no index."""
    if reference.isascii() and reference.isdigit() and 0 < int(reference) <= NUMBER_MAX:
        return WorkflowId(int(reference))
    return find_workflow(store, reference).workflow_id


def _make_etag(ids: Iterable[MessageId], now: datetime) -> str:
    """Return a tag that changes every minute: an age that a caller keeps is no older than that."""
    parts = [f"{now:%Y-%m-%dT%H:%M}", *sorted(ids)]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _age(seen: ResultSeen, now: datetime) -> dict[str, Any]:
    return {"age_seconds": max(0, int((now - seen.result.at).total_seconds()))}
