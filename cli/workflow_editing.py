"""platformctl workflow create, edit: a file becomes a workflow."""

from typing import TYPE_CHECKING, Any

import rich_click as click

from cli import render
from cli.confirming import confirm
from cli.context import Platform, pass_platform
from cli.parameters import WORKFLOW
from cli.workflows import call, format_value, tell_next, yes_option
from shared.clock import utc_now
from shared.domain.ids import WorkflowId

if TYPE_CHECKING:
    from cli.workflow_file import WorkflowFile
    from shared.domain.workflow import Workflow
    from shared.domain.workflow_file import WorkflowDraft
    from shared.services.module_directory import ModuleDirectory
    from shared.store import Store

VALUE_SHOWN = 300

file_argument = click.argument("file", metavar="FILE")


@click.command()
@file_argument
@yes_option
@pass_platform
def create(platform: Platform, file: str, yes: bool) -> None:
    """Create a workflow from a file, JSON or YAML; - is standard input.

    If there is one of this workflow_id or name, the difference is shown, and it is edited on yes.
    """
    from shared.services.module_directory import ModuleDirectory
    from shared.services.workflows import create_workflow

    source, draft = _read(platform, file)
    with platform.open_store() as store, source.naming_lines():
        directory = ModuleDirectory()
        existing = _find_existing(store, draft)
        if existing is not None:
            _edit(platform, store, existing, draft, directory, yes=yes)
            return
        created = create_workflow(store, draft, platform.actor, utc_now(), directory)
        warnings = _find_warnings(store, created, directory)
    render.say(f"Created {call(created)}; {tell_next(created)}.")
    _warn(warnings)


@click.command()
@file_argument
@click.option(
    "--workflow",
    "workflow_reference",
    metavar="WORKFLOW",
    type=WORKFLOW,
    help="Edit this one, whatever name the file has.",
)
@yes_option
@pass_platform
def edit(platform: Platform, file: str, workflow_reference: str | None, yes: bool) -> None:
    """Change a workflow to what a file says; executions that have begun keep what they began with.

    `workflow show WORKFLOW --file` prints the file of a workflow as it is now.
    """
    from shared.services.module_directory import ModuleDirectory
    from shared.services.workflow_lookup import find_workflow

    source, draft = _read(platform, file)
    with platform.open_store() as store, source.naming_lines():
        if workflow_reference is not None:
            existing = find_workflow(store, workflow_reference)
        else:
            existing = _find_existing(store, draft) or find_workflow(store, draft.name)
        _edit(platform, store, existing, draft, ModuleDirectory(), yes=yes)


def _read(platform: Platform, file: str) -> "tuple[WorkflowFile, WorkflowDraft]":
    from cli.workflow_file import open_workflow_file

    source = open_workflow_file(file)
    return source, source.read(platform.settings.execution_timeout_seconds)


def _find_existing(store: "Store", draft: "WorkflowDraft") -> "Workflow | None":
    """Return the workflow that a file may mean: by its number, or else by its name."""
    from shared.services.workflow_lookup import find_workflow

    if draft.workflow_id is not None:
        return store.workflows.get(WorkflowId(draft.workflow_id))
    return find_workflow(store, draft.name) if store.workflows.named(draft.name) else None


def _edit(
    platform: Platform,
    store: "Store",
    existing: "Workflow",
    draft: "WorkflowDraft",
    directory: "ModuleDirectory",
    *,
    yes: bool,
) -> None:
    """Show what would change, ask, and write it."""
    from shared.services.workflows import compare_with_file, edit_workflow

    difference = compare_with_file(store, existing, draft, directory)
    if not difference:
        render.say(f"{call(existing)} is what the file says already.")
        return
    render.say(f"{call(existing)} would change:\n{_format_difference(difference)}")
    if not yes:
        confirm(f"Change {existing.name}?")
    edited = edit_workflow(
        store, existing.workflow_id, draft, platform.actor, utc_now(), directory
    ).workflow
    render.say(f"Changed {call(edited)} to version {edited.version}; {tell_next(edited)}.")
    _warn(_find_warnings(store, edited, directory))


def _find_warnings(store: "Store", workflow: "Workflow", directory: "ModuleDirectory") -> list[str]:
    """Return what may be meant so, and may be a slip: a kind of which no module is registered."""
    from shared.services.module_lookup import find_kind_problem

    kinds = {step.name: step.mission_kind for step in workflow.steps if step.mission_kind}
    problems = {name: find_kind_problem(store, kind, directory) for name, kind in kinds.items()}
    return [f"step {name}: {problem}" for name, problem in problems.items() if problem]


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        render.say(f"Warning: {warning}")


def _format_difference(difference: dict[str, Any]) -> str:
    lines = []
    for name, ends in difference.items():
        lines.append(f"  {name}")
        lines += [
            f"    {sign} {format_value(ends[end])[:VALUE_SHOWN]}"
            for sign, end in (("-", "from"), ("+", "to"))
            if ends[end] is not None
        ]
    return "\n".join(lines)
