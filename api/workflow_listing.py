"""Lists of workflows: written once for all that ask at the same moment, in pages for large ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Response, request

from api.batched_calls import BatchedCalls
from api.circuit_breaker import CircuitBreaker
from api.http.envelope import frame_list, ok_encoded
from shared.domain.firing import LATEST_GRACE
from shared.domain.ids import WorkflowId
from shared.domain.local_time import find_zone
from shared.domain.workflow import Overlap, Workflow
from shared.services.workflow_lookup import to_items
from shared.store import Store
from shared.store.chunks import chunks

WRITTEN_AT_ONCE = 100
# Callers that ask for no page get all of it, unless it is that large: then the answer names the rest.
ANSWER_BYTES = 32 * 2**20
NO_LIMIT = 2**31 - 1

# Returns what is listed of these workflows, by number.
Write = Callable[[Store, Iterable[Workflow]], dict[WorkflowId, dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Page:
    """Which part of the workflows a caller wants; without a limit, all of them."""

    limit: int | None = None
    after: int = 0


@dataclass(frozen=True, kw_only=True)
class WrittenPage:
    """An answer, and the workflow that the next page comes after, if there is one."""

    body: bytes
    continues_after: int | None


class WorkflowListing:
    """One list of one process. A change is in every answer to a request that comes after it."""

    def __init__(self, breaker: CircuitBreaker, store: Store, write: Write) -> None:
        self._breaker = breaker
        self._store = store
        self._write = write
        self._reading = BatchedCalls(self._read)

    def read(self, page: Page) -> WrittenPage:
        """Return a page; raises DatabaseUnavailable."""
        with self._breaker.use():
            return self._reading.call(page)

    def _read(self, pages: Sequence[Page]) -> list[WrittenPage]:
        written = {page: self._write_page(page) for page in set(pages)}
        return [written[page] for page in pages]

    def _write_page(self, page: Page) -> WrittenPage:
        if page == Page() and (whole := self._write_whole()) is not None:
            return whole
        # One more than wanted tells whether there is another page.
        found = self._store.workflows.after(page.after, page.limit + 1 if page.limit else 0)
        texts: list[bytes] = []
        read, last = 0, page.after
        for some in chunks(found, WRITTEN_AT_ONCE):
            if read == page.limit or sum(map(len, texts)) > ANSWER_BYTES:
                return _join(texts, last)
            taken = some[: page.limit - read] if page.limit else some
            texts += self._encode(taken).values()
            read, last = read + len(taken), taken[-1].workflow_id
            if len(taken) < len(some):
                return _join(texts, last)
        return _join(texts, None)

    def _write_whole(self) -> WrittenPage | None:
        """Return everything, or None if that is too large; a database that sorts it takes longer."""
        texts: dict[int, bytes] = {}
        size = 0
        for some in chunks(self._store.workflows.each(), WRITTEN_AT_ONCE):
            if size > ANSWER_BYTES:
                return None
            written = self._encode(some)
            texts |= written
            size += sum(map(len, written.values()))
        return _join([texts[number] for number in sorted(texts)], None)

    def _encode(self, workflows: list[Workflow]) -> dict[int, bytes]:
        items = self._write(self._store, workflows)
        return {n: orjson.dumps(item, option=orjson.OPT_UTC_Z) for n, item in items.items()}


def answer_workflows(listing: WorkflowListing, page: Page) -> Response:
    """Answer with a page, and name the next one in a Link."""
    written = listing.read(page)
    headers = {}
    if written.continues_after is not None:
        query = request.args.to_dict() | {"after": str(written.continues_after)}
        headers["Link"] = f'<{request.path}?{urlencode(query)}>; rel="next"'
    return ok_encoded(written.body, headers=headers)


def list_items(store: Store, workflows: Iterable[Workflow]) -> dict[WorkflowId, dict[str, Any]]:
    """Return these workflows in their public form."""
    return {item["workflow_id"]: item for item in to_items(store, workflows)}


def list_jobs(_: Store, workflows: Iterable[Workflow]) -> dict[WorkflowId, dict[str, Any]]:
    """Return the enabled ones of these workflows as the jobs that earlier clients know."""
    return {w.workflow_id: _to_job(w) for w in workflows if w.enabled}


_HEAD, _TAIL = frame_list()


def _join(texts: list[bytes], continues_after: int | None) -> WrittenPage:
    body = b"".join((_HEAD, b",".join(texts), _TAIL))
    return WrittenPage(body=body, continues_after=continues_after)


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
