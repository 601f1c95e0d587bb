"""Executions found by the beginnings of their ids, and listed newest first, page by page."""

from datetime import datetime, timedelta

import pytest

from shared.domain.execution import Execution, ExecutionStatus
from shared.domain.workflow_file import NUMBER_MAX
from shared.errors import Conflict, InvalidData, NotFound
from shared.services.execution_listing import find_execution, list_executions
from shared.store import Store
from tests.support.builders import make_execution, make_workflow


def insert(store: Store, *due: datetime, workflow_id: int = 12, **overrides: object) -> list[str]:
    workflow = make_workflow(workflow_id=workflow_id)
    made = [make_execution(workflow=workflow, due_at=at, **overrides) for at in due]
    assert store.executions.insert(made) == len(made)
    return [execution.id for execution in made]


def ids(executions: list[Execution]) -> list[str]:
    return [execution.id for execution in executions]


def test_an_execution_is_found_by_its_id_and_by_the_beginning(store: Store, now: datetime) -> None:
    insert(store, now, now + timedelta(minutes=5))
    insert(store, now, workflow_id=1)
    assert find_execution(store, "12-20260301T120000").due_at == now
    assert find_execution(store, " 12-20260301T1205 ").due_at == now + timedelta(minutes=5)
    assert find_execution(store, "1-20260301").workflow_id == 1
    insert(store, now, workflow_id=NUMBER_MAX)
    assert find_execution(store, f"{NUMBER_MAX}-20260301").workflow_id == NUMBER_MAX
    insert(store, now, id="12-20260301T120000~2")
    assert find_execution(store, "12-20260301T120000~").id == "12-20260301T120000~2"


def test_an_ambiguous_beginning_lists_the_candidates(store: Store, now: datetime) -> None:
    insert(store, *(now + timedelta(minutes=n) for n in range(12)))
    with pytest.raises(Conflict, match=r"(?s)12-20260301T121100  running.*and 2 more"):
        find_execution(store, "12-20260301T12")


@pytest.mark.parametrize(
    "text", ["12-2026", "12", "x", "", "12-20261399T", "12-20260302", "9" * 500, "12-99991231"]
)
def test_what_is_no_id_is_not_found(store: Store, now: datetime, text: str) -> None:
    insert(store, now)
    with pytest.raises(NotFound, match="ids look like"):
        find_execution(store, text)


def test_executions_are_listed_newest_first(store: Store, now: datetime) -> None:
    ago = [timedelta(minutes=1), timedelta(hours=5), timedelta(days=40), timedelta(days=900)]
    mine = insert(store, *(now - age for age in ago))
    theirs = insert(store, now - timedelta(hours=1), workflow_id=7)
    assert ids(list_executions(store, now, workflow_id=12, limit=10)) == mine
    assert ids(list_executions(store, now, workflow_id=12, limit=2)) == mine[:2]
    assert ids(list_executions(store, now, limit=2)) == [mine[0], theirs[0]]
    since = now - timedelta(days=1)
    assert ids(list_executions(store, now, workflow_id=12, since=since, limit=10)) == mine[:2]


def test_pages_follow_each_other_without_a_gap(store: Store, now: datetime) -> None:
    mine = insert(store, *(now - timedelta(minutes=7 * n) for n in range(25)))
    also = make_execution(
        id="12-20260301T120000-abc", workflow=make_workflow(workflow_id=12), due_at=now
    )
    store.executions.insert([also])
    seen: list[str] = []
    while page := list_executions(
        store, now, workflow_id=12, limit=4, after=seen[-1] if seen else None
    ):
        seen += ids(page)
    assert seen == [also.id, *mine]


def test_a_status_is_looked_for_far_back(store: Store, now: datetime) -> None:
    insert(store, *(now - timedelta(minutes=n) for n in range(10)))
    failed = insert(store, now - timedelta(days=3), status=ExecutionStatus.FAILED)
    found = list_executions(store, now, workflow_id=12, status=ExecutionStatus.FAILED, limit=5)
    assert ids(found) == failed


def test_a_page_after_something_unknown_is_refused(store: Store, now: datetime) -> None:
    with pytest.raises(InvalidData, match="after names"):
        list_executions(store, now, limit=5, after="12-20200101T000000")
