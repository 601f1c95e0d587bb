"""platformctl why: one sentence about what did not succeed on time, and its evidence."""

import rich_click as click

from cli import render
from cli.context import Platform, pass_platform
from cli.options import json_option, wide_option
from cli.parameters import EXPLAINED
from cli.table import Column
from shared.clock import utc_now
from shared.domain.phrases import WallClock

COLUMNS = (Column.time("at"), Column.name("subject"), Column.text("what"), Column.text("reason"))


@click.command()
@click.argument("reference", metavar="ID", type=EXPLAINED)
@click.argument("due", metavar="[TIME]", required=False)
@json_option
@wide_option
@pass_platform
def why(platform: Platform, reference: str, due: str | None, as_json: bool, wide: bool) -> None:
    """Say why something did not succeed on time, and what is recorded about it.

    ID is an execution (the beginning of its id will do), a message, or a workflow by its name or
    workflow_id: then the last one of its executions that did not succeed on time is explained, or
    the one that was due at TIME, in the workflow's own time zone: 09:30, or 2026-11-21T09:30.
    """
    from shared.services.why_lookup import explain_reference

    with platform.open_store() as store:
        told = explain_reference(store, reference, due, utc_now())
    if as_json:
        render.print_json(told.to_item())
        return
    click.echo(told.explanation.sentence)
    evidence = told.explanation.evidence
    zone = WallClock.of(told.explanation.timezone, utc_now()).zone
    if evidence:
        itself = f"{told.kind} {told.id}"
        rows = [
            (
                render.format_clock(fact.at, zone),
                f"this {told.kind}" if fact.subject == itself else fact.subject,
                fact.what,
                fact.reason or "-",
            )
            for fact in evidence
        ]
        click.echo()
        render.print_table(COLUMNS, rows, wide=wide)
    render.say(f"About {told.kind} {told.id}; times are those of {told.explanation.timezone}.")
