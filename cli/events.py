"""platformctl events: what happened to modules, nodes, workers and work, and why."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import rich_click as click

from cli import render
from cli.context import Platform, pass_platform
from cli.parameters import MODULE, SINCE
from shared.clock import utc_now
from shared.domain.closing import OfflineReason
from shared.domain.event import FAILURES, OPERATOR, TWO_PROGRAMS, Event, SubjectKind
from shared.domain.execution import MissReason
from shared.domain.message import EndReason

if TYPE_CHECKING:
    from shared.services.event_history import HistoryEntry

HEADER = ("at", "subject", "id", "what", "reason", "actor", "detail")
# What the other columns say already.
UNTOLD = ("epoch", "workflow", "workflow_id")
LATELY = timedelta(days=1)
REASONS = sorted(
    {OPERATOR, FAILURES, TWO_PROGRAMS}.union(
        reason.value for kind in (OfflineReason, EndReason, MissReason) for reason in kind
    )
)


@click.command()
@click.option(
    "--module", metavar="MODULE", type=MODULE, help="Only this module: its name, module_id or hash."
)
@click.option(
    "--workflow",
    metavar="WORKFLOW",
    help="Only this workflow and its executions: its name or workflow_id.",
)
@click.option(
    "--since",
    metavar="TIME",
    type=SINCE,
    help="Only since then: 90s, 30m, 2h, 7d, or 2026-11-21T10:00 in local time. "
    "One day without it, or all that is known of the one module or workflow.",
)
@click.option("--reason", type=click.Choice(REASONS), help="Only what happened for this reason.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@pass_platform
def events(
    platform: Platform,
    module: str | None,
    workflow: str | None,
    since: datetime | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """Show what happened to modules, nodes, workers and work, and why, oldest first."""
    from shared.services.event_history import read_history

    if module is not None and workflow is not None:
        raise click.UsageError("--module and --workflow cannot be given together.")
    if since is None and module is None and workflow is None:
        since = utc_now() - LATELY
    with platform.open_store() as store:
        history = read_history(store, since=since, module=module, workflow=workflow, reason=reason)
    if as_json:
        render.print_json([_to_item(entry) for entry in history])
    elif history:
        render.print_table(HEADER, [_row(entry) for entry in history], shorten=True)
    else:
        known = f" since {render.format_time(since)}" if since else ""
        render.say(f"Nothing that matches happened{known}.")


def _to_item(entry: "HistoryEntry") -> dict[str, Any]:
    event = entry.event
    return {
        "at": event.at,
        "subject": {"kind": event.subject.kind.value, "id": event.subject.id},
        "name": entry.name,
        "what": event.what,
        "reason": event.reason,
        "actor": event.actor,
        "detail": event.detail,
    }


def _row(entry: "HistoryEntry") -> tuple[str, ...]:
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
