"""Lists of workflows: written once for callers of the same moment, and in pages."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.circuit_breaker import CircuitBreaker
from api.workflow_listing import Page, WorkflowListing, list_jobs
from shared.domain.ids import WorkflowId
from shared.domain.workflow import Workflow
from shared.store import Store
from tests.support.builders import make_workflow
from tests.support.eventually import eventually

LISTS = ["/workflow/list", "/scheduler/jobs"]


def add(store: Store, *numbers: int, **overrides: Any) -> None:
    for number in numbers:
        assert store.workflows.insert(make_workflow(workflow_id=WorkflowId(number), **overrides))


def numbers(items: Iterable[dict[str, Any]]) -> list[int]:
    return [item.get("workflow_id") or item["workflow"]["workflow_id"] for item in items]


def follow(client: FlaskClient, path: str) -> list[list[int]]:
    """Return the numbers on each page, from this one on."""
    pages = []
    address: str | None = path
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, answer.data
        pages.append(numbers(answer.json["result"]))
        link = re.fullmatch(r'<(.*)>; rel="next"', answer.headers.get("Link", ""))
        address = link[1] if link else None
    return pages


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("limit", "pages"),
    [("", [[1, 2, 3, 4]]), ("?limit=3", [[1, 2, 3], [4]]), ("?limit=4", [[1, 2, 3, 4]])],
)
def test_pages_follow_each_other_by_number(
    client: FlaskClient, store: Store, path: str, limit: str, pages: list[list[int]]
) -> None:
    add(store, 3, 1, 4, 2)
    assert follow(client, path + limit) == pages


def test_a_page_may_have_no_job_and_name_the_next(client: FlaskClient, store: Store) -> None:
    add(store, 1, 2, enabled=False)
    add(store, 3)
    assert follow(client, "/scheduler/jobs?limit=2") == [[], [3]]


@pytest.mark.parametrize("path", LISTS)
def test_a_list_that_is_too_large_for_one_answer_goes_on_in_another(
    client: FlaskClient, store: Store, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.workflow_listing.ANSWER_BYTES", 10)
    monkeypatch.setattr("api.workflow_listing.WRITTEN_AT_ONCE", 2)
    add(store, 1, 2, 3, 4, 5)
    assert follow(client, path) == [[1, 2], [3, 4], [5]]
    assert follow(client, f"{path}?limit=3") == [[1, 2], [3, 4], [5]]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("query", ["limit=0", "limit=x", "after=-1"])
def test_what_is_no_page_is_refused(client: FlaskClient, path: str, query: str) -> None:
    answer = client.get(f"{path}?{query}")
    assert (answer.status_code, answer.json["code"]) == (400, "3002")
    assert query.split("=")[0] in answer.json["message"]


def test_callers_of_the_same_moment_share_one_reading_that_began_after_they_asked(
    store: Store,
) -> None:
    add(store, 1)
    writing, may_write, written = Event(), Event(), []

    def write(_: Store, workflows: Iterable[Workflow]) -> dict[WorkflowId, Any]:
        written.append([workflow.workflow_id for workflow in workflows])
        writing.set()
        assert may_write.wait(10)
        return list_jobs(store, [make_workflow(workflow_id=WorkflowId(n)) for n in written[-1]])

    listing = WorkflowListing(CircuitBreaker(store), store, write)
    with ThreadPoolExecutor(6) as callers:
        first = callers.submit(listing.read, Page())
        assert writing.wait(10)
        add(store, 2)
        others = [callers.submit(listing.read, Page()) for _ in range(5)]
        eventually(lambda: len(listing._reading._waiting) == 5)
        may_write.set()
        bodies = {caller.result(10).body for caller in others}
    assert written == [[1], [1, 2]]
    assert len(bodies) == 1
    assert first.result().body not in bodies
