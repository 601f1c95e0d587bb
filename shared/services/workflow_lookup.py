"""Which workflow a caller means, and how workflows are shown."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from shared.domain.ids import ModuleHash, WorkflowId
from shared.domain.likeness import tell_near
from shared.domain.module import normalise
from shared.domain.workflow import Workflow
from shared.domain.workflow_document import modules_of, to_item
from shared.domain.workflow_file import NUMBER_MAX
from shared.errors import Conflict, NotFound
from shared.services.module_directory import ModuleDirectory
from shared.services.punctuality import punctuality_of
from shared.store import Store

SHOWN = 80


def get_workflow(store: Store, workflow_id: WorkflowId) -> Workflow:
    """Return the workflow with this number; raises NotFound."""
    workflow = store.workflows.get(workflow_id)
    if workflow is None:
        raise NotFound(f"No workflow has the workflow_id {workflow_id}.")
    return workflow


def find_workflow(store: Store, reference: str) -> Workflow:
    """Return the workflow that has this number or name; raises NotFound, or Conflict.

    A name may consist of digits: what may mean two workflows is refused, with both of them named.
    """
    text = reference.strip()
    found = {workflow.workflow_id: workflow for workflow in store.workflows.named(normalise(text))}
    if text.isascii() and text.isdigit() and int(text) <= NUMBER_MAX:
        numbered = store.workflows.get(WorkflowId(int(text)))
        found |= {numbered.workflow_id: numbered} if numbered else {}
    if not found:
        near = tell_near(text, (workflow.name for workflow in store.workflows.all()))
        raise NotFound(f"No workflow has the workflow_id or the name {text[:SHOWN]!r}.{near}")
    if len(found) > 1:
        lines = "\n".join(f"  workflow_id {number}  {w.name}" for number, w in found.items())
        raise Conflict(f"{text[:SHOWN]!r} may mean any of these workflows:\n{lines}")
    return next(iter(found.values()))


def to_items(store: Store, workflows: Iterable[Workflow]) -> list[dict[str, Any]]:
    """Return workflows in their public form, with the names of their modules."""
    workflows = list(workflows)
    names = store.modules.names(set().union(*map(modules_of, workflows)))
    return [to_item(workflow, names) for workflow in workflows]


def to_items_with_figures(
    store: Store, workflows: Iterable[Workflow], now: datetime
) -> list[dict[str, Any]]:
    """Return workflows in their public form, with how punctual they were lately."""
    workflows = list(workflows)
    records = punctuality_of(store, [workflow.workflow_id for workflow in workflows], now)
    return [
        {**item, "punctuality": records[item["workflow_id"]].to_item()}
        for item in to_items(store, workflows)
    ]


def names_of_their_own(
    store: Store, hashes: Iterable[ModuleHash], directory: ModuleDirectory
) -> dict[ModuleHash, str]:
    """Return {hash: name} of those of these modules whose names no other module has."""
    names = store.modules.names(hashes)
    return {key: name for key, name in names.items() if len(directory.named(store, name)) == 1}
