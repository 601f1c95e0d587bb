"""Which workflow a caller means."""

import pytest

from shared.errors import Conflict, NotFound
from shared.services.workflow_lookup import find_workflow, to_items
from shared.store import Store
from tests.support.builders import make_step, make_workflow
from tests.support.registry import Registry


@pytest.mark.parametrize("reference", ["7", " 7 ", "load-72h", "load-72h "])
def test_a_workflow_is_called_by_its_number_or_its_name(store: Store, reference: str) -> None:
    store.workflows.insert(make_workflow(workflow_id=7))
    assert find_workflow(store, reference).workflow_id == 7


def test_a_name_that_two_have_is_refused_with_both(store: Store) -> None:
    for number in (1, 2):
        store.workflows.insert(make_workflow(workflow_id=number))
    with pytest.raises(Conflict, match="workflow_id 1  load-72h\n  workflow_id 2  load-72h"):
        find_workflow(store, "load-72h")


def test_a_name_that_is_anothers_number_is_refused(store: Store) -> None:
    store.workflows.insert(make_workflow(workflow_id=1, name="2"))
    store.workflows.insert(make_workflow(workflow_id=2))
    with pytest.raises(Conflict, match="'2' may mean any of these workflows"):
        find_workflow(store, "2")


@pytest.mark.parametrize("reference", ["8", "unknown", "", "9" * 50, "²"])
def test_what_nothing_is_called_is_not_found(store: Store, reference: str) -> None:
    with pytest.raises(NotFound, match="No workflow has the workflow_id or the name"):
        find_workflow(store, reference)


def test_what_looks_alike_is_named(store: Store) -> None:
    store.workflows.insert(make_workflow(workflow_id=7))
    with pytest.raises(NotFound, match=r"'laod-72h'\. Near it: load-72h\."):
        find_workflow(store, "laod-72h")


def test_workflows_are_shown_with_the_names_of_their_modules(
    store: Store, registry: Registry
) -> None:
    module = registry.register("load")
    workflow = make_workflow(steps=(make_step(module_hash=module.module_hash),))
    (item,) = to_items(store, [workflow])
    assert item["steps"][0]["module_name"] == "load"
