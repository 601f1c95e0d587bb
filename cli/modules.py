"""platformctl show: everything about one module."""

from datetime import datetime
from typing import Any

import orjson
import rich_click as click

from cli import render
from cli.context import Platform, pass_platform
from cli.options import json_option
from cli.parameters import MODULE
from shared.clock import utc_now


@click.command()
@click.argument("module", metavar="MODULE", type=MODULE)
@json_option
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
        listed = get_module(store, module_hash, rules, now, platform.grace)
        record = record_of_module(store, module_hash, now)
    item = to_item(listed)
    if as_json:
        render.print_json(item | {"figures": record.to_item()})
        return
    told = item | {"last 24 h": record.day.tell(), "last 7 d": record.week.tell()}
    if listed.module.disabling:
        disabling = listed.module.disabling
        told["disabled"] = f"since {render.format_time(disabling.at)}: {disabling.tell()}"
    render.print_fields((name, _text(value)) for name, value in told.items())


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return render.format_time(value)
    if isinstance(value, str):
        return value
    return "-" if value is None else orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()
