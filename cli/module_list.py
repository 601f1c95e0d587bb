"""platformctl list: the registered modules, and which of them are online."""

import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import rich_click as click

from cli import render
from cli.context import DatabaseDown, Platform, pass_platform
from cli.options import json_option, wide_option
from cli.parameters import KIND, MODULE_NAME, TAG, SortKey
from cli.table import Column, format_table
from shared.clock import utc_now
from shared.domain.presence import State

COLUMNS = (
    Column.whole("id"),
    Column.whole("hash"),
    Column.name("name"),
    Column.text("kind", rank=3),
    Column.state("state"),
    Column.text("reason", rank=4, least=len("never_connected")),
    Column.whole("since"),
    Column.whole("last alive", rank=2),
    Column.whole("peer", rank=1),
)
REFRESH_SECONDS = 2.0
NEVER = datetime.min.replace(tzinfo=UTC)
SORTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "id": lambda item: item["module_id"],
    "name": lambda item: item["name"].casefold(),
    "kind": lambda item: item["missionKind"],
    "state": lambda item: list(State).index(State(item["state"])),
    "since": lambda item: item["state_since"],
    "last-alive": lambda item: item["last_alive_time"] or NEVER,
    "peer": lambda item: item["peer"] or "",
    "priority": lambda item: item["priority"],
}


@click.command("list")
@click.option("--all", "include_offline", is_flag=True, help="List offline modules, too.")
@click.option(
    "--state",
    type=click.Choice([state.value for state in State]),
    help="Only modules in this state.",
)
@click.option("--kind", type=KIND, help="Only this missionKind.")
@click.option("--tag", type=TAG, help="Only modules with this tag.")
@click.option("--name", type=MODULE_NAME, help="Only modules with this in their name, in any case.")
@click.option(
    "--sort",
    type=SortKey(SORTS),
    default="id",
    show_default=True,
    help=f"By {', '.join(SORTS)}; -since: the other way round.",
)
@click.option("--limit", type=click.IntRange(min=1), help="So many at most.")
@json_option
@wide_option
@click.option("--watch", is_flag=True, help="Draw it anew every 2 seconds, until Ctrl-C.")
@pass_platform
def list_modules(
    platform: Platform, /, as_json: bool, wide: bool, watch: bool, **wanted: Any
) -> None:
    """List the modules that are online."""
    if watch and (as_json or not sys.stdout.isatty()):
        raise click.UsageError("--watch draws on a terminal: without --json, not into a pipe.")
    if watch:
        _watch(platform, wanted, wide=wide)
        return
    items, registered = _read(platform, wanted)
    shown = items[: wanted["limit"]]
    if as_json:
        render.print_json(shown)
        return
    if shown:
        render.print_table(COLUMNS, _rows(shown, utc_now()), wide=wide)
    render.say(_summarise(items, len(shown), registered, wanted))


def _read(platform: Platform, wanted: dict[str, Any]) -> tuple[list[dict[str, Any]], int | None]:
    """Return what is to be listed, in order; and how many are registered, if not all were read."""
    from shared.services.module_listing import (
        list_all,
        list_online,
        presence_rules,
        select,
        to_item,
    )

    state = State(wanted["state"]) if wanted["state"] else None
    include_offline = wanted["include_offline"] or state in (State.OFFLINE, State.DISABLED)
    with platform.open_store() as store:
        read = list_all if include_offline else list_online
        listing = read(store, presence_rules(platform.settings), utc_now(), platform.grace)
        registered = None if include_offline else store.modules.count()
    selected = select(
        listing.modules,
        mission_kind=wanted["kind"],
        tag=wanted["tag"],
        name=wanted["name"],
        state=state,
    )
    return wanted["sort"].sort([to_item(listed) for listed in selected]), registered


def _summarise(
    items: list[dict[str, Any]], shown: int, registered: int | None, wanted: dict[str, Any]
) -> str:
    """Return how many are in which state, and what is not listed."""
    is_filtered = any(wanted[name] for name in ("state", "kind", "tag", "name"))
    if not items and is_filtered:
        return "No module matches."
    counts = Counter(item["state"] for item in items)
    told = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    if not told:
        told = "No module is registered" if registered is None else "No module is online"
    others = 0 if registered is None or is_filtered else registered - len(items)
    if others > 0:
        told += f" (--all lists {others} more)"
    if shown < len(items):
        told += f"; the first {shown} are shown"
    return f"{told}."


def _rows(items: list[dict[str, Any]], now: datetime) -> list[tuple[str, ...]]:
    def age(moment: datetime | None) -> str:
        return render.format_age(now - moment) if moment else "-"

    return [
        (
            str(item["module_id"]),
            item["module_hash"][: render.HASH_CHARACTERS],
            item["name"],
            item["missionKind"] or "-",
            item["state"],
            _reason(item),
            age(item["state_since"]),
            age(item["last_alive_time"]),
            item["peer"] or "-",
        )
        for item in items
    ]


def _reason(item: dict[str, Any]) -> str:
    if item["in_doubt"]:
        return "in doubt"
    because = item["disabled"]["because"] if item["disabled"] else ""
    return because or item["offline_reason"] or "-"


def _watch(platform: Platform, wanted: dict[str, Any], *, wide: bool) -> None:
    """Draw the list until Ctrl-C; an outage of the database is shown, and does not end it."""
    from rich.live import Live
    from rich.text import Text

    try:
        with Live(screen=True, auto_refresh=False) as live:
            while True:
                try:
                    drawn = _draw(platform, wanted, wide=wide)
                except DatabaseDown as error:
                    drawn = error.message
                live.update(Text.from_ansi(drawn, no_wrap=True, overflow="ellipsis"), refresh=True)
                time.sleep(REFRESH_SECONDS)
    except KeyboardInterrupt:
        return


def _draw(platform: Platform, wanted: dict[str, Any], *, wide: bool) -> str:
    """Return the list as it fits the screen: its head, as many rows as there is room for, a sum."""
    items, registered = _read(platform, wanted)
    screen = shutil.get_terminal_size()
    shown = items[: wanted["limit"]]
    room = None if wide else screen.columns
    table = format_table(COLUMNS, _rows(shown, utc_now()), room=room, colour=render.wants_colour())
    below = [_summarise(items, len(shown), registered, wanted)]
    if table.left_out:
        below.append(render.tell_left_out(table))
    rows = screen.lines - 1 - len(below)
    if len(shown) > rows:
        rows -= 1
        below.insert(0, f"{len(shown) - rows} more have no room on this screen.")
    return "\n".join([*table.lines[: 1 + max(0, rows)], *below])
