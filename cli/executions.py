"""platformctl execution: the firings of workflows, and what became of their steps."""

from datetime import datetime, timedelta
from typing import Any

import rich_click as click

from cli import render
from cli.context import Platform, pass_platform
from cli.options import json_option, wide_option
from cli.parameters import EXECUTION, SINCE, WORKFLOW
from cli.table import Column
from shared.clock import utc_now
from shared.domain.execution import ExecutionStatus
from shared.domain.phrases import tell_duration

COLUMNS = (
    Column.whole("execution"),
    Column.name("workflow"),
    Column.time("due"),
    Column.state("status"),
    Column.state("punctuality", rank=2),
    Column.whole("took", rank=3),
    Column.whole("trigger", rank=1),
    Column.text("reason", rank=4),
)
STEPS = (
    Column.name("step"),
    Column.state("status"),
    Column.name("module"),
    Column.whole("tries", rank=2),
    Column.time("started", rank=3),
    Column.whole("took", rank=4),
    Column.text("reason"),
    Column.text("why this module", rank=1),
)
LIMIT = 20
LIMIT_MAX = 1000


# Said here too: click keeps the help option of whichever context asked first.
@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def execution() -> None:
    """Look at the executions of workflows, cancel them, try them again."""


@execution.command("list")
@click.option(
    "--workflow",
    metavar="WORKFLOW",
    type=WORKFLOW,
    help="Only of this one: its name or workflow_id.",
)
@click.option(
    "--status", type=click.Choice([s.value for s in ExecutionStatus]), help="Only in this status."
)
@click.option(
    "--since",
    metavar="TIME",
    type=SINCE,
    help="Only due since then: 90s, 30m, 2h, 7d, or 2026-11-21T10:00 in local time.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, LIMIT_MAX),
    default=LIMIT,
    show_default=True,
    help="How many, newest first.",
)
@json_option
@wide_option
@pass_platform
def list_command(
    platform: Platform,
    /,
    workflow: str | None,
    status: str | None,
    since: datetime | None,
    limit: int,
    as_json: bool,
    wide: bool,
) -> None:
    """List executions, newest first."""
    from shared.services.execution_items import to_items
    from shared.services.execution_listing import list_executions
    from shared.services.workflow_lookup import find_workflow

    now = utc_now()
    with platform.open_store() as store:
        found = list_executions(
            store,
            now,
            workflow_id=find_workflow(store, workflow).workflow_id if workflow else None,
            status=ExecutionStatus(status) if status else None,
            since=since,
            limit=limit,
        )
        items = to_items(store, found, now)
    if as_json:
        render.print_json(items)
    elif items:
        render.print_table(COLUMNS, [_row(item) for item in items], wide=wide)
    else:
        render.say("No execution matches.")


@execution.command()
@click.argument("execution_id", metavar="ID", type=EXECUTION)
@json_option
@wide_option
@pass_platform
def show(platform: Platform, execution_id: str, as_json: bool, wide: bool) -> None:
    """Show one execution: its steps, its tries, and why it went as it did.

    ID is its id, or the beginning of it, from the day on.
    """
    from shared.services.execution_items import to_explained_item
    from shared.services.execution_listing import find_execution

    with platform.open_store() as store:
        item = to_explained_item(store, find_execution(store, execution_id), utc_now())
    if as_json:
        render.print_json(item)
        return
    told = {key: value for key, value in item.items() if key not in ("steps", "why")}
    render.print_fields((field, _text(value)) for field, value in told.items())
    click.echo()
    render.print_table(STEPS, [_step_row(step) for step in item["steps"]], wide=wide)
    click.echo()
    render.print_sentence(item["why"]["sentence"], item["timezone"], utc_now())


@execution.command()
@click.argument("execution_id", metavar="ID", type=EXECUTION)
@pass_platform
def cancel(platform: Platform, execution_id: str) -> None:
    """Cancel an execution: what waits is not sent, what runs is asked to stop."""
    from shared.services.execution_listing import find_execution
    from shared.services.executions import cancel_execution

    with platform.open_store() as store:
        found = find_execution(store, execution_id)
        cancel_execution(store, found.id, platform.actor, utc_now())
    render.say(f"The execution {found.id} of {found.workflow.name} is cancelled.")


@execution.command()
@click.argument("execution_id", metavar="ID", type=EXECUTION)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the new execution.")
@pass_platform
def retry(platform: Platform, execution_id: str, as_json: bool) -> None:
    """Run an execution that did not succeed again, for its own time.

    Steps that succeeded keep their results.
    """
    from shared.services.execution_items import to_items
    from shared.services.execution_listing import find_execution
    from shared.services.executions import retry_execution

    now = utc_now()
    with platform.open_store() as store:
        found = find_execution(store, execution_id)
        fresh = retry_execution(store, found.id, platform.actor, now)
        (item,) = to_items(store, [fresh], now)
    if as_json:
        render.print_json(item)
    else:
        render.say(f"{found.workflow.name} runs again as {fresh.id}.")


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    return (
        item["execution_id"],
        item["workflow_name"],
        render.format_time(item["due_at"]),
        item["status"],
        item["punctuality"] or "-",
        _took(item["duration_seconds"]),
        item["trigger"],
        item["reason"] or "-",
    )


def _step_row(step: dict[str, Any]) -> tuple[str, ...]:
    module = step["module_name"] or (step["module_hash"] or "")[: render.HASH_CHARACTERS]
    return (
        step["name"],
        step["status"],
        module or step["missionKind"] or "-",
        str(len(step["tries"])),
        render.format_time(step["started_at"]) if step["started_at"] else "-",
        _took(step["duration_seconds"]),
        step["error"] or step["reason"] or "-",
        step["chosen_because"] or "-",
    )


def _took(seconds: float | None) -> str:
    return "-" if seconds is None else tell_duration(timedelta(seconds=seconds))


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return render.format_time(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={_text(inner)}" for key, inner in value.items()) or "-"
    return "-" if value is None else str(value)
