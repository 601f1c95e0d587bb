"""platformctl schedule: what fires next."""

from datetime import datetime, timedelta
from itertools import islice

import rich_click as click

from cli import render
from cli.context import Platform, pass_platform
from cli.options import json_option, wide_option
from cli.parameters import MOMENT, WORKFLOW
from cli.table import Column
from shared.clock import utc_now
from shared.domain.local_time import find_zone

SHOWN = 20
FURTHEST = timedelta(days=5 * 366)
OVERDUE = timedelta(minutes=1)
COLUMNS = (
    Column.whole("in"),
    Column.whole("local time"),
    Column.text("time zone", rank=1),
    Column.whole("id"),
    Column.name("workflow"),
)


@click.command()
@click.option("--from", "begin", type=MOMENT, help="From 2026-11-21T10:00, or 2h from now.")
@click.option("--to", "end", type=MOMENT, help="Everything until then, instead of the next 20.")
@click.option("--limit", type=click.IntRange(min=1), help="So many at most.")
@click.option(
    "--workflow",
    metavar="WORKFLOW",
    type=WORKFLOW,
    help="Only this one: its workflow_id or its name.",
)
@json_option
@wide_option
@pass_platform
def schedule(
    platform: Platform,
    /,
    begin: datetime | None,
    end: datetime | None,
    limit: int | None,
    workflow: str | None,
    as_json: bool,
    wide: bool,
) -> None:
    """Show what fires next, each workflow in its own local time."""
    from shared.domain.upcoming import upcoming
    from shared.services.workflow_lookup import find_workflow

    now = utc_now()
    begin = begin or now
    limit = limit or (None if end else SHOWN)
    end = min(end or begin + FURTHEST, begin + FURTHEST)
    with platform.open_store() as store:
        chosen = [find_workflow(store, workflow)] if workflow else store.workflows.all()
    firings = [
        {
            "due_at": due_at,
            "local_time": due_at.astimezone(find_zone(one.timezone)).isoformat(),
            "timezone": one.timezone,
            "workflow_id": one.workflow_id,
            "name": one.name,
            "modules": len(one.steps),
        }
        for due_at, one in islice(upcoming(chosen, begin, end), limit)
    ]
    if as_json:
        render.print_json(firings)
    elif firings:
        render.print_table(COLUMNS, [_row(firing, now) for firing in firings], wide=wide)
    else:
        render.say("Nothing fires in that time.")
    overdue = [one for one in chosen if one.next_due_at and one.next_due_at < now - OVERDUE]
    if overdue:
        render.say(
            f"Overdue, and not fired: {', '.join(one.name for one in overdue[:SHOWN])}. "
            "Does a worker run? ./manage.sh status"
        )


def _row(firing: dict[str, object], now: datetime) -> tuple[str, ...]:
    due_at = firing["due_at"]
    assert isinstance(due_at, datetime)
    local = str(firing["local_time"]).replace("T", " ")
    return (
        render.format_age(due_at - now),
        local,
        str(firing["timezone"]),
        str(firing["workflow_id"]),
        str(firing["name"]),
    )
