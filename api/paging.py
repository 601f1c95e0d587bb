"""A listing's answer: all of it as it lies ready, or the part that the query asks for."""

from urllib.parse import urlencode

from flask import Response, request

from api.envelope import ok_encoded
from api.listings import Snapshot, Written, write_out
from api.schemas import ListingQuery, ListingWish
from shared.services.listing import ListedModule, select


def answer_listing(snapshot: Snapshot, wish: ListingWish) -> Response:
    """Answer with the modules wished for, or 304 when the caller has them already."""
    if wish == ListingQuery.unsaid:
        return _answer(snapshot.everything, {})
    chosen = select(
        snapshot.modules,
        mission_kind=wish.mission_kind,
        tag=wish.tag,
        name=wish.name,
        state=wish.state,
    )
    page, headers = _cut_page(chosen, wish)
    return _answer(write_out(page), headers)


def _answer(written: Written, headers: dict[str, str]) -> Response:
    headers["ETag"] = written.etag
    headers["Cache-Control"] = "no-cache"  # keep it, but ask each time
    wanted = request.environ.get("HTTP_IF_NONE_MATCH")
    if wanted is not None and request.if_none_match.contains_weak(written.etag[3:-1]):
        return Response(status=304, headers=headers)
    return ok_encoded(written.body, headers=headers)


def _cut_page(
    modules: list[ListedModule], wish: ListingWish
) -> tuple[list[ListedModule], dict[str, str]]:
    if wish.after is not None:
        modules = [listed for listed in modules if listed.module.module_id > wish.after]
    if wish.limit is None or len(modules) <= wish.limit:
        return modules, {}
    page = modules[: wish.limit]
    query = request.args.to_dict() | {"after": str(page[-1].module.module_id)}
    return page, {"Link": f'<{request.path}?{urlencode(query)}>; rel="next"'}
