"""platformctl list, show: the registered modules, and which of them are online."""

import sys
import time
from datetime import datetime
from typing import Any

import orjson
import rich_click as click

from cli import render
from cli.context import DatabaseDown, Platform, pass_platform
from cli.parameters import MODULE
from shared.clock import utc_now
from shared.domain.presence import State

HEADER = ("id", "name", "kind", "state", "since", "last alive", "peer", "hash")
REFRESH_SECONDS = 2.0


@click.command("list")
@click.option("--all", "include_offline", is_flag=True, help="List offline modules, too.")
@click.option(
    "--state",
    type=click.Choice([state.value for state in State]),
    help="Only modules in this state.",
)
@click.option("--kind", help="Only this missionKind.")
@click.option("--tag", help="Only modules with this tag.")
@click.option("--name", help="Only modules with this in their name, in any case.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--watch", is_flag=True, help="Print it again every 2 seconds, until Ctrl-C.")
@pass_platform
def list_modules(platform: Platform, /, as_json: bool, watch: bool, **filters: Any) -> None:
    """List the modules that are online."""
    if watch and (as_json or not sys.stdout.isatty()):
        raise click.UsageError("--watch draws on a terminal: without --json, not into a pipe.")
    if watch:
        _watch(platform, filters)
    elif as_json:
        render.print_json(_read(platform, filters))
    else:
        items = _read(platform, filters)
        if items:
            render.print_table(HEADER, _rows(items, utc_now()), shorten=True)
        else:
            render.say("No module matches." if any(filters.values()) else "No module is online.")


@click.command()
@click.argument("module", metavar="MODULE", type=MODULE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@pass_platform
def show(platform: Platform, module: str, as_json: bool) -> None:
    """Show everything about one module.

    MODULE is its name, its module_id, or its hash (8 characters are enough).
    """
    from shared.services.module_listing import get_module, presence_rules, to_item
    from shared.services.module_lookup import find_hash
    from shared.services.punctuality import record_of_module

    now = utc_now()
    with platform.open_store() as store:
        rules = presence_rules(platform.settings)
        module_hash = find_hash(store, module)
        item = to_item(get_module(store, module_hash, rules, now, platform.grace))
        record = record_of_module(store, module_hash, now)
    if as_json:
        render.print_json(item | {"figures": record.to_item()})
        return
    told = item | {"last 24 h": record.day.tell(), "last 7 d": record.week.tell()}
    render.print_table(("field", "value"), [(name, _text(v)) for name, v in told.items()])


def _read(platform: Platform, filters: dict[str, Any]) -> list[dict[str, Any]]:
    from shared.services.module_listing import (
        list_all,
        list_online,
        presence_rules,
        select,
        to_item,
    )

    state = State(filters["state"]) if filters["state"] else None
    include_offline = filters["include_offline"] or state in (State.OFFLINE, State.DISABLED)
    with platform.open_store() as store:
        read = list_all if include_offline else list_online
        listing = read(store, presence_rules(platform.settings), utc_now(), platform.grace)
    selected = select(
        listing.modules,
        mission_kind=filters["kind"],
        tag=filters["tag"],
        name=filters["name"],
        state=state,
    )
    return [to_item(listed) for listed in selected]


def _rows(items: list[dict[str, Any]], now: datetime) -> list[tuple[str, ...]]:
    def age(moment: datetime | None) -> str:
        return render.format_age(now - moment) if moment else "-"

    return [
        (
            str(item["module_id"]),
            item["name"],
            item["missionKind"] or "-",
            _state(item),
            age(item["state_since"]),
            age(item["last_alive_time"]),
            item["peer"] or "-",
            item["module_hash"][: render.HASH_CHARACTERS],
        )
        for item in items
    ]


def _state(item: dict[str, Any]) -> str:
    remark = "in doubt" if item["in_doubt"] else item["offline_reason"]
    if item["state"] == State.DISABLED:
        remark = item["disabled"] and item["disabled"]["because"]
    return f"{item['state']} ({remark})" if remark else str(item["state"])


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return render.format_time(value)
    if isinstance(value, str):
        return value
    return "-" if value is None else orjson.dumps(value).decode()


def _watch(platform: Platform, filters: dict[str, Any]) -> None:
    """Draw the list until Ctrl-C; an outage of the database is shown, and does not end it."""
    from rich.live import Live
    from rich.text import Text

    try:
        with Live(screen=True, auto_refresh=False) as live:
            while True:
                try:
                    rows = _rows(_read(platform, filters), utc_now())
                    drawn = render.format_table(HEADER, rows)
                except DatabaseDown as error:
                    drawn = error.message
                live.update(Text.from_ansi(drawn, no_wrap=True, overflow="ellipsis"), refresh=True)
                time.sleep(REFRESH_SECONDS)
    except KeyboardInterrupt:
        return
