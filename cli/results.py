"""platformctl results: what a module said about its work."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import rich_click as click

from cli import render
from cli.context import Platform, pass_platform
from cli.options import json_option, wide_option
from cli.parameters import MODULE, SINCE
from cli.table import Column
from shared.clock import utc_now
from shared.domain.phrases import tell_duration

if TYPE_CHECKING:
    from shared.services.results import ResultSeen

COLUMNS = (
    Column.time("at"),
    Column.whole("message"),
    Column.state("status"),
    Column.whole("took", rank=1),
    Column.text("reason", rank=2),
    Column.text("content"),
)
LIMIT = 20


@click.command()
@click.argument("module", metavar="MODULE", type=MODULE)
@click.option(
    "--since", metavar="TIME", type=SINCE, help="Only since then: 30m, 2h, 7d, or a date."
)
@click.option("--limit", type=click.IntRange(1, 100_000), default=LIMIT, show_default=True)
@click.option("--latest", is_flag=True, help="Print what its newest success says, as it said it.")
@json_option
@wide_option
@pass_platform
def results(
    platform: Platform,
    /,
    module: str,
    since: datetime | None,
    limit: int,
    latest: bool,
    as_json: bool,
    wide: bool,
) -> None:
    """List a module's results, newest first.

    MODULE is its name, its module_id, or its hash (8 characters are enough).
    """
    from shared.services.module_lookup import find_by_reference
    from shared.services.results import find_newest_success, list_results, to_result_item

    with platform.open_store() as store:
        found = find_by_reference(store, module)
        if latest:
            newest = find_newest_success(store, found, utc_now(), since)
            seen = [newest] if newest else []
        else:
            seen = list_results(store, found, utc_now(), since=since, limit=limit)
    if as_json:
        render.print_json([to_result_item(one) for one in seen])
    elif not seen:
        render.say(f"{found.name} has no {'success' if latest else 'result'} that matches.")
    elif latest:
        click.echo(seen[0].result.content or "null")
    else:
        render.print_table(COLUMNS, _rows(seen), wide=wide)


def _rows(seen: "Sequence[ResultSeen]") -> list[tuple[str, ...]]:
    return [
        (
            render.format_time(result.at),
            result.message_id,
            result.status.value,
            tell_duration(result.at - result.sent_at) if result.sent_at else "-",
            " ".join((result.error or result.reason or "-").split()),
            # What failed says it in its error; its traceback stands in --json.
            "-" if result.error else result.content or "-",
        )
        for result in (one.result for one in seen)
    ]
