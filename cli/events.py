"""platformctl events: what happened to modules, nodes, workers and work, and why."""

from datetime import timedelta
from shlex import quote
from typing import TYPE_CHECKING, Any

import orjson
import rich_click as click

from cli import render
from cli.context import Platform, pass_platform
from cli.options import json_option, wide_option
from cli.parameters import MODULE, MODULE_NAME, SINCE, WORKFLOW
from cli.table import Column
from shared.clock import utc_now
from shared.domain.event import Event, SubjectKind
from shared.domain.event_words import REASONS, WORDS
from shared.errors import NotFound

if TYPE_CHECKING:
    from shared.services.event_history import EventFilter, HistoryEntry

COLUMNS = (
    Column.time("at"),
    Column.name("subject"),
    Column.text("id", rank=2, least=render.HASH_CHARACTERS),
    Column.state("what"),
    Column.text("reason", rank=4, least=len("connection_lost")),
    Column.text("actor", rank=3),
    Column.text("detail", rank=1),
)
# What the other columns say already.
UNTOLD = ("epoch", "workflow", "workflow_id")
LATELY = timedelta(days=1)


@click.command()
@click.option(
    "--module", metavar="MODULE", type=MODULE, help="Only this module: its name, module_id or hash."
)
@click.option(
    "--workflow",
    metavar="WORKFLOW",
    type=WORKFLOW,
    help="Only this workflow and its executions: its name or workflow_id.",
)
@click.option(
    "--name",
    type=MODULE_NAME,
    help="Only modules and workflows with this in their name, in any case.",
)
@click.option(
    "--what",
    metavar="WORD",
    type=click.Choice(WORDS),
    help="Only this: offline, disabled, missed and the like.",
)
@click.option(
    "--reason",
    metavar="REASON",
    type=click.Choice(REASONS),
    help="Only what happened for this reason: bye, operator, no_worker and the like.",
)
@click.option(
    "--since",
    metavar="TIME",
    type=SINCE,
    help="Only since then: 90s, 30m, 2h, 7d, or 2026-11-21T10:00 in local time. "
    "One day without it, or all that is known of the one module or workflow.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the last ones, so many.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens from now on.")
@json_option
@wide_option
@pass_platform
def events(
    platform: Platform,
    /,
    limit: int | None,
    follow: bool,
    as_json: bool,
    wide: bool,
    **words: Any,
) -> None:
    """Show what happened to modules, nodes, workers and work, and why, oldest first."""
    from shared.services.event_history import EventFilter, oldest_first, read_history

    if words["module"] is not None and words["workflow"] is not None:
        raise click.UsageError("--module and --workflow cannot be given together.")
    wanted = EventFilter(**words)
    now = utc_now()
    if wanted.since is None and wanted.module is None and wanted.workflow is None:
        wanted = EventFilter(**words | {"since": now - LATELY})
    if follow:
        from cli.event_following import follow_events

        follow_events(platform, wanted, limit, as_json=as_json, wide=wide)
        return
    with platform.open_store() as store:
        try:
            history = oldest_first(read_history(store, wanted, now, limit=limit).entries)
        except NotFound as error:
            raise click.ClickException(_explain_missing(error, wanted)) from None
    _print(history, wanted, as_json=as_json, wide=wide)


def _explain_missing(error: NotFound, wanted: "EventFilter") -> str:
    """Return what to do about a name that no module has any more."""
    if wanted.module is None:
        return error.message
    more = f"platformctl events --name {quote(wanted.module)} --since 30d"
    return f"{error.message} If it was deleted: {more}"


def _print(
    history: "list[HistoryEntry]", wanted: "EventFilter", *, as_json: bool, wide: bool
) -> None:
    from shared.services.event_history import to_event_item

    if as_json:
        render.print_json([to_event_item(entry) for entry in history])
    elif history:
        render.print_table(COLUMNS, [to_row(entry) for entry in history], wide=wide)
    else:
        known = f" since {render.format_time(wanted.since)}" if wanted.since else ""
        render.say(f"Nothing that matches happened{known}.")


def to_row(entry: "HistoryEntry") -> tuple[str, ...]:
    """Return an event as a row of the table."""
    event = entry.event
    return (
        render.format_time(event.at),
        entry.name or event.subject.kind.value,
        _handle(event),
        event.what,
        event.reason or "-",
        event.actor,
        ", ".join(
            f"{name}={_text(value)}" for name, value in event.detail.items() if name not in UNTOLD
        ),
    )


def _handle(event: Event) -> str:
    subject = event.subject
    if subject.kind is SubjectKind.MODULE:
        return subject.id[: render.HASH_CHARACTERS]
    return f"workflow {subject.id}" if subject.kind is SubjectKind.WORKFLOW else subject.id


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
