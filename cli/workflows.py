"""platformctl workflow list, show, run, pause, resume, delete: what fires, and when."""

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import rich_click as click
from click.exceptions import Exit

from cli import render
from cli.confirming import confirm
from cli.context import Platform, pass_platform
from cli.lazy_group import LazyGroup
from cli.options import json_option, wide_option
from cli.parameters import WORKFLOW
from cli.table import Column
from shared.clock import utc_now
from shared.domain.local_time import find_zone
from shared.domain.phrases import name_actor, tell_duration

if TYPE_CHECKING:
    from shared.domain.workflow import Workflow
    from shared.store import Store

COLUMNS = (
    Column.whole("id"),
    Column.name("name"),
    Column.state("state"),
    Column.text("cron", least=len("30 9 * * 1-5")),
    Column.text("time zone", rank=1),
    Column.time("next"),
    Column.whole("modules", rank=3),
    Column.whole("24h", rank=6),
    Column.whole("late", rank=5),
    Column.whole("p50", rank=2),
    Column.whole("7d", rank=4),
)

workflow_argument = click.argument("workflow_reference", metavar="WORKFLOW", type=WORKFLOW)
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


COMMANDS = {
    "create": "cli.workflow_editing:create",
    "edit": "cli.workflow_editing:edit",
    "list": "cli.workflows:list_workflows",
    "show": "cli.workflows:show",
    "run": "cli.workflows:run",
    "pause": "cli.workflows:pause",
    "resume": "cli.workflows:resume",
    "delete": "cli.workflows:delete",
}


# Said here too: click keeps the help option of whichever context asked first.
@click.group(
    cls=LazyGroup,
    lazy_commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
def workflow() -> None:
    """Schedule work for modules: WORKFLOW is a workflow_id, or a name that is one's alone."""


@click.command("list")
@json_option
@wide_option
@pass_platform
def list_workflows(platform: Platform, as_json: bool, wide: bool) -> None:
    """List the workflows: when each fires next, and how it did.

    24h and 7d are what succeeded of all that ended; late and p50 are those of the last 24 hours.
    """
    from shared.services.workflow_lookup import to_items_with_figures

    with platform.open_store() as store:
        items = to_items_with_figures(store, store.workflows.all(), utc_now())
    if as_json:
        render.print_json(items)
    elif items:
        render.print_table(COLUMNS, [_row(item) for item in items], wide=wide)
        for item in items:
            if item["pause"]:
                render.say(_tell_pause(item))
    else:
        render.say("There is no workflow: platformctl workflow create FILE makes one.")


@click.command()
@workflow_argument
@json_option
@click.option("--file", "as_file", is_flag=True, help="Print a file that makes it again.")
@pass_platform
def show(platform: Platform, workflow_reference: str, as_json: bool, as_file: bool) -> None:
    """Show everything about one workflow."""
    from shared.services.workflow_lookup import find_workflow, to_items_with_figures

    with platform.open_store() as store:
        found = find_workflow(store, workflow_reference)
        if as_file:
            click.echo(_to_yaml(store, found), nl=False)
            return
        (item,) = to_items_with_figures(store, [found], utc_now())
    if as_json:
        render.print_json(item)
    else:
        render.print_fields(_fields(item))


@click.command()
@workflow_argument
@json_option
@pass_platform
def run(platform: Platform, workflow_reference: str, as_json: bool) -> None:
    """Run a workflow now, whatever its schedule, pause and overlap say; prints the execution's id."""
    from shared.services.executions import run_workflow
    from shared.services.explaining import explain_execution
    from shared.services.workflow_lookup import find_workflow

    with platform.open_store() as store:
        found = find_workflow(store, workflow_reference)
        execution = run_workflow(store, found, platform.actor, utc_now())
        why = explain_execution(store, execution, utc_now())
    is_running = not execution.status.is_final
    render.say(f"{call(found)} is {execution.status.value}." if is_running else why.sentence)
    if as_json:
        render.print_json({"execution_id": execution.id, "status": execution.status.value})
    else:
        click.echo(execution.id)
    if not is_running:
        raise Exit(1)


@click.command()
@workflow_argument
@click.option("--note", default="", help="Why: everybody reads it beside the pause.")
@pass_platform
def pause(platform: Platform, workflow_reference: str, note: str) -> None:
    """Let a workflow fire no more until it is resumed; what runs goes on."""
    from shared.services.workflow_lookup import find_workflow
    from shared.services.workflows import pause_workflow

    with platform.open_store() as store:
        found = find_workflow(store, workflow_reference)
        pause_workflow(store, found.workflow_id, note, platform.actor, utc_now())
    render.say(f"Paused {call(found)}.")


@click.command()
@workflow_argument
@pass_platform
def resume(platform: Platform, workflow_reference: str) -> None:
    """Let a paused workflow fire again, from now on."""
    from shared.services.workflow_lookup import find_workflow
    from shared.services.workflows import resume_workflow

    with platform.open_store() as store:
        found = find_workflow(store, workflow_reference)
        resumed = resume_workflow(store, found.workflow_id, platform.actor, utc_now())
    render.say(f"Resumed {call(resumed)}; {tell_next(resumed)}.")


@click.command()
@workflow_argument
@yes_option
@pass_platform
def delete(platform: Platform, workflow_reference: str, yes: bool) -> None:
    """Delete a workflow; its executions and its history stay."""
    from shared.services.workflow_lookup import find_workflow
    from shared.services.workflows import delete_workflow

    with platform.open_store() as store:
        found = find_workflow(store, workflow_reference)
        if not yes:
            confirm(f"Delete {call(found)}?")
        delete_workflow(store, found.workflow_id, platform.actor, utc_now())
    render.say(f"Deleted {call(found)}.")


def _to_yaml(store: "Store", workflow: "Workflow") -> str:
    from cli.workflow_file import format_workflow_file
    from shared.domain.workflow_document import modules_of, to_file
    from shared.services.module_directory import ModuleDirectory
    from shared.services.workflow_lookup import names_of_their_own

    names = names_of_their_own(store, modules_of(workflow), ModuleDirectory())
    return format_workflow_file(to_file(workflow, names))


def call(workflow: "Workflow") -> str:
    """Return what sentences call a workflow."""
    return f"{workflow.name} (workflow_id {workflow.workflow_id})"


def tell_next(workflow: "Workflow") -> str:
    """Return when a workflow fires next, in its own time."""
    if workflow.next_due_at is None:
        return "it is paused" if workflow.pause else "it is disabled, and does not fire"
    zone = find_zone(workflow.timezone)
    return f"next {render.format_clock(workflow.next_due_at, zone)} ({workflow.timezone})"


def _local(moment: datetime | None, zone: str) -> str:
    """Return a moment in a zone, with its offset where that is not the machine's."""
    if moment is None:
        return "-"
    form = render.format_clock if render.is_local(moment, find_zone(zone)) else render.format_time
    return form(moment, find_zone(zone))


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    figures = item["punctuality"]["24h"]
    p50 = figures["p50_seconds"]
    return (
        str(item["workflow_id"]),
        item["name"],
        item["state"],
        "; ".join(item["execute_cron_list"]),
        item["timezone"],
        _local(item["next_due_at"], item["timezone"]),
        str(len(item["steps"])),
        _tell_rate(figures),
        str(figures["late"] + figures["missing"]),
        "-" if p50 is None else tell_duration(timedelta(seconds=p50)),
        _tell_rate(item["punctuality"]["7d"]),
    )


def _tell_pause(item: dict[str, Any]) -> str:
    """Return the actor, time and reason of a workflow's pause."""
    pause = item["pause"]
    since = _local(pause["at"], item["timezone"])
    note = f": {pause['note']}" if pause["note"] else ""
    return f"{item['name']} is paused since {since}, by {name_actor(pause['actor'])}{note}"


def _fields(item: dict[str, Any]) -> list[tuple[str, str]]:
    """Return everything about a workflow; a line for each of its steps and figures."""
    left_out = ("execute_modules", "steps", "punctuality")
    if item["pause"]:
        item = item | {"pause": _tell_pause(item)}
    rows = [(name, format_value(value)) for name, value in item.items() if name not in left_out]
    rows += [(f"step {step['name']}", _tell_step(step)) for step in item["steps"]]
    for title, span in (("last 24 h", "24h"), ("last 7 d", "7d")):
        rows.append((title, _tell_figures(item["punctuality"][span])))
    return rows


def _tell_step(step: dict[str, Any]) -> str:
    """Return what a step asks of which module."""
    module = step["module_name"] or step["module_hash"] or f"of the kind {step['missionKind']}"
    more = [
        (f"after {', '.join(step['after'])}" if step["after"] else ""),
        (f"fallback {', '.join(step['fallback'])}" if step["fallback"] else ""),
        (f"args {format_value(step['args'])}" if step["args"] else ""),
    ]
    return "; ".join([module, *filter(None, more)])


def _tell_figures(figures: dict[str, Any]) -> str:
    """Return figures as people read them."""
    if not figures["finished"]:
        return "nothing finished"
    told = [f"{figures['succeeded']} of {figures['finished']} succeeded"]
    told += [
        f"{name} {tell_duration(timedelta(seconds=figures[key]))}"
        for name, key in (("p50", "p50_seconds"), ("p95", "p95_seconds"))
        if figures[key] is not None
    ]
    counts = {name: figures[name] for name in ("on_time", "late", "missing")}
    if any(counts.values()):
        told += [f"{name.replace('_', ' ')} {count}" for name, count in counts.items()]
    return ", ".join(told)


def _tell_rate(figures: dict[str, Any]) -> str:
    """Return how much succeeded; what failed is never rounded away."""
    if not figures["finished"]:
        return "-"
    percent = math.floor(100 * figures["succeeded"] / figures["finished"])
    return f"{percent}% of {figures['finished']}"


def format_value(value: Any) -> str:
    """Return a value as a cell shows it."""
    if isinstance(value, datetime):
        return render.format_time(value)
    if isinstance(value, str):
        return value
    return "-" if value is None else orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()
