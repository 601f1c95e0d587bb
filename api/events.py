"""What happened, and why: the history over HTTP, newest first."""

from urllib.parse import urlencode

from flask import Response, request

from api.app_state import app_state
from api.circuit_breaker import REQUEST_SECONDS
from api.event_answers import EventAnswer
from api.event_requests import EventsQuery, EventsRequest, ModuleEventsQuery
from api.http.blueprint import Blueprint
from api.http.envelope import encode, ok_encoded
from shared.clock import utc_now
from shared.services.event_history import EventFilter, History, read_history, to_event_item

# Well within what a request may take: a search for what is rare goes on with the next page.
SEARCH_SECONDS = 0.4

events = Blueprint(
    "events", __name__, description="What happened to modules, nodes, workers and work, and why."
)


@events.route("/events")
@events.errors(404, 409)
@events.arguments(EventsQuery(), location="query")
@events.response(200, EventAnswer(many=True), headers=("Link",))
def list_events(wanted: EventsRequest) -> Response:
    """List what happened, newest first.

    Of the last 24 hours if no time and no subject is given.
    """
    return _answer(wanted.filter_from(utc_now()), wanted)


@events.route("/module/<module:module>/events", endpoint="list_module_events")
@events.errors(404, 409)
@events.arguments(ModuleEventsQuery(), location="query")
@events.response(200, EventAnswer(many=True), headers=("Link",))
def list_events_of_module(wanted: EventsRequest, module: str) -> Response:
    """List what happened to a module, newest first.

    A deleted one is found by its hash.
    """
    return _answer(wanted.filter_of(module), wanted)


def _answer(chosen: EventFilter, wanted: EventsRequest) -> Response:
    state = app_state()
    with state.breaker.use(REQUEST_SECONDS) as store:
        history = read_history(
            store,
            chosen,
            utc_now(),
            limit=wanted.limit,
            directory=state.directory,
            seconds=SEARCH_SECONDS,
        )
    items = [to_event_item(entry) for entry in history.entries]
    return ok_encoded(encode(items), headers=_link_next(history, wanted.limit))


def _link_next(history: History, limit: int) -> dict[str, str]:
    """Return the header that names the next page; the one before may be short, or even empty."""
    query = request.args.to_dict()
    if len(history.entries) == limit:
        query["after"] = history.entries[-1].event.id
    elif history.unread_before is not None:
        query.pop("after", None)
        query["before"] = history.unread_before.isoformat()
    else:
        return {}
    return {"Link": f'<{request.path}?{urlencode(query)}>; rel="next"'}
