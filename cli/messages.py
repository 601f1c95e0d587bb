"""platformctl message list, show, cancel, retry: work on its way, and what became of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import rich_click as click

from cli import render
from cli.context import Platform, pass_platform
from cli.lazy_group import LazyGroup
from cli.options import json_option, wide_option
from cli.parameters import MESSAGE, MODULE, SINCE
from cli.table import Column
from shared.clock import utc_now
from shared.domain.ids import MessageId
from shared.domain.message import OPEN, MessageStatus

if TYPE_CHECKING:
    from shared.services.message_history import MessageSeen
    from shared.store import Store

COLUMNS = (
    Column.whole("message"),
    Column.name("module"),
    Column.state("status"),
    Column.whole("age"),
    Column.whole("tries", rank=1),
    Column.text("reason", rank=3),
    Column.text("content", rank=2),
)
LATELY = timedelta(days=1)
LIMIT = 100

message_argument = click.argument("message_id", metavar="MESSAGE", type=MESSAGE)

COMMANDS = {
    "list": "cli.messages:list_messages",
    "show": "cli.messages:show",
    "cancel": "cli.messages:cancel",
    "retry": "cli.messages:retry",
}


# Said here too: click keeps the help option of whichever context asked first.
@click.group(
    cls=LazyGroup,
    lazy_commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
def message() -> None:
    """See and steer the work that was sent to modules; MESSAGE is a message's id."""


@click.command("list")
@click.option("--module", metavar="MODULE", type=MODULE, help="Only this module's.")
@click.option(
    "--status",
    type=click.Choice([status.value for status in MessageStatus]),
    help="Only those in this state.",
)
@click.option(
    "--since", metavar="TIME", type=SINCE, help="Only those made since then: 30m, 2h, 7d, a date."
)
@click.option("--limit", type=click.IntRange(1, 100_000), default=LIMIT, show_default=True)
@json_option
@wide_option
@pass_platform
def list_messages(
    platform: Platform,
    /,
    module: str | None,
    status: str | None,
    since: datetime | None,
    limit: int,
    as_json: bool,
    wide: bool,
) -> None:
    """List messages, newest first.

    Of all modules, without --since: those that have not ended, or the last day's in the state that
    --status names.
    """
    statuses = [MessageStatus(status)] if status else None
    with platform.open_store() as store:
        found = _find(store, module, statuses, since, limit)
    if as_json:
        render.print_json(found)
    elif found:
        render.print_table(COLUMNS, [_row(item, utc_now()) for item in found], wide=wide)
    else:
        render.say("No message matches." if module or status or since else "No message is open.")


@click.command()
@message_argument
@json_option
@pass_platform
def show(platform: Platform, message_id: str, as_json: bool) -> None:
    """Show everything about one message, and why it went as it did."""
    from shared.services.explaining import explain_message
    from shared.services.message_history import get_message, to_message_item

    with platform.open_store() as store:
        seen = get_message(store, MessageId(message_id))
        why = explain_message(store, seen.message, utc_now())
    item = to_message_item(seen)
    if as_json:
        render.print_json(item | {"why": why.to_item()})
        return
    render.print_fields((field, _text(value)) for field, value in item.items())
    click.echo()
    render.print_sentence(why.sentence, why.timezone, utc_now())


@click.command()
@message_argument
@pass_platform
def cancel(platform: Platform, message_id: str) -> None:
    """Cancel a message: at once if it waits; else its module is asked to give it up, for 10 s."""
    from shared.services.message_admin import cancel_message

    with platform.open_store() as store:
        done = cancel_message(store, MessageId(message_id), utc_now(), platform.actor)
    if done.is_at_once:
        render.say(f"Cancelled {message_id}.")
    else:
        render.say(f"Asked the module to give {message_id} up; it ends within 10 s.")


@click.command()
@message_argument
@pass_platform
def retry(platform: Platform, message_id: str) -> None:
    """Send a message again that did not succeed, under a new id."""
    from cli.deliveries import look_at_deliveries, tell_waiting
    from cli.send import open_sender
    from shared.services.message_admin import retry_message

    with platform.open_store() as store:
        sender, _ = open_sender(platform)
        sent = retry_message(store, sender, MessageId(message_id), utc_now(), platform.actor)
        deliveries = look_at_deliveries(store, [sent])
    click.echo(sent.message.id)
    render.say(f"Sent {message_id} again: {deliveries[sent.message.id]}.")
    tell_waiting([sent], deliveries)


def _find(
    store: "Store",
    reference: str | None,
    statuses: Sequence[MessageStatus] | None,
    since: datetime | None,
    limit: int,
) -> list[dict[str, Any]]:
    from shared.services.message_history import list_everywhere, list_messages, to_message_item
    from shared.services.module_lookup import find_by_reference

    now = utc_now()
    found: list[MessageSeen]
    if reference is not None:
        module = find_by_reference(store, reference)
        wanted = statuses or list(MessageStatus)
        found = list_messages(store, module, now, statuses=wanted, since=since, limit=limit)
    else:
        if since is None and statuses and statuses[0].is_final:
            since = now - LATELY
        wanted = statuses or (list(MessageStatus) if since else list(OPEN))
        found = list_everywhere(store, statuses=wanted, since=since, limit=limit)
    return [to_message_item(seen) for seen in found]


def _row(item: dict[str, Any], now: datetime) -> tuple[str, ...]:
    return (
        item["message_id"],
        item["module_name"] or item["module_hash"][: render.HASH_CHARACTERS],
        item["status"],
        render.format_age(now - item["created_at"]),
        str(item["attempt"]),
        item["error"] or item["reason"] or "-",
        _text(item["message"]),
    )


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return render.format_time(value)
    if isinstance(value, str):
        return value
    return "-" if value is None else orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()
