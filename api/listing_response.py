"""A listing's answer: all of it as it lies ready, or the part that the query asks for."""

from urllib.parse import urlencode

from flask import Response, request

from api.http.envelope import ok_encoded
from api.listing_cache import Snapshot
from api.listing_text import Entry, ListingText
from api.module_requests import ListingQuery, ListingRequest
from shared.services.module_listing import select


def answer_listing(snapshot: Snapshot, wanted: ListingRequest) -> Response:
    """Answer with the modules that the query asks for, or 304 when the caller has them already."""
    if wanted == ListingQuery.unsaid:
        return _answer(snapshot.text, {})
    chosen = select(
        snapshot.text.entries,
        mission_kind=wanted.mission_kind,
        tag=wanted.tag,
        name=wanted.name,
        state=wanted.state,
    )
    page, headers = _cut_page(chosen, wanted)
    return _answer(snapshot.text.cut(page), headers)


def _answer(written: ListingText, headers: dict[str, str]) -> Response:
    headers["ETag"] = written.etag
    headers["Cache-Control"] = "no-cache"  # keep it, but ask each time
    wanted = request.environ.get("HTTP_IF_NONE_MATCH")
    if wanted is not None and request.if_none_match.contains_weak(written.etag[3:-1]):
        return Response(status=304, headers=headers)
    return ok_encoded(written.body, headers=headers)


def _cut_page(modules: list[Entry], wanted: ListingRequest) -> tuple[list[Entry], dict[str, str]]:
    if wanted.after is not None:
        modules = [entry for entry in modules if entry.facets.module_id > wanted.after]
    if wanted.limit is None or len(modules) <= wanted.limit:
        return modules, {}
    page = modules[: wanted.limit]
    query = request.args.to_dict() | {"after": str(page[-1].facets.module_id)}
    return page, {"Link": f'<{request.path}?{urlencode(query)}>; rel="next"'}
