"""Waits for the results of what was sent, and prints them."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import rich_click as click

from cli import render
from cli.table import Column
from shared.clock import utc_now

if TYPE_CHECKING:
    from shared.domain.ids import MessageId
    from shared.domain.result import Result
    from shared.services.sending import Sent
    from shared.store import Store

COLUMNS = (
    Column.whole("message"),
    Column.name("module"),
    Column.state("status"),
    Column.text("reason", rank=1),
    Column.text("error"),
)
LOOK_AGAIN_SECONDS = 0.2
# After so long, people want to know what it is that they wait for.
TELL_AFTER_SECONDS = 5.0
TOLD_AT_MOST = 3
FOR_EVER = -1  # until the message has ended, which it does


def name_of(sent: "Sent") -> str:
    """Return what people call the module that gets it."""
    return sent.module.name if sent.module else sent.message.module_hash[: render.HASH_CHARACTERS]


def wait_for(store: "Store", sent: "Sequence[Sent]", seconds: int) -> "dict[MessageId, Result]":
    """Return the results that come in so many seconds; without a limit, all of them."""
    until = time.monotonic() + seconds if seconds != FOR_EVER else float("inf")
    ended: dict[MessageId, Result] = {}
    waiting = [one.message.id for one in sent]
    tell_at = time.monotonic() + TELL_AFTER_SECONDS
    while waiting:
        ended |= store.results.read(waiting)
        waiting = [message_id for message_id in waiting if message_id not in ended]
        if time.monotonic() >= until:
            break
        if waiting and time.monotonic() >= tell_at:
            tell_at = float("inf")
            _tell_what_waits(store, waiting)
        if waiting:
            time.sleep(LOOK_AGAIN_SECONDS)
    return ended


def _tell_what_waits(store: "Store", waiting: "Sequence[MessageId]") -> None:
    """Say why there is no result yet, of the first few messages."""
    from shared.services.explaining import explain_message

    for message_id in waiting[:TOLD_AT_MOST]:
        if (message := store.messages.get(message_id)) is not None:
            render.say(explain_message(store, message, utc_now()).sentence)
    if (more := len(waiting) - TOLD_AT_MOST) > 0:
        render.say(f"{more} more have no result yet.")


def print_results(
    store: "Store", sent: "Sequence[Sent]", ended: "dict[MessageId, Result]", *, as_json: bool
) -> bool:
    """Print the results; return whether all are successes."""
    from shared.domain.result import ResultStatus
    from shared.services.results import ResultSeen, to_result_item

    seen = [
        (one, ResultSeen(result=ended[one.message.id], module=one.module))
        for one in sent
        if one.message.id in ended
    ]
    if as_json:
        render.print_json([to_result_item(result) for _, result in seen])
    elif len(sent) == 1 and seen:
        _print_result(store, seen[0][1].result)
    elif seen:
        render.print_table(
            COLUMNS,
            [
                (
                    one.message.id,
                    name_of(one),
                    result.result.status.value,
                    result.result.reason or "-",
                    result.result.error or "-",
                )
                for one, result in seen
            ],
        )
    for one in sent:
        if one.message.id not in ended:
            render.say(
                f"The message {one.message.id} has no result yet: "
                f"platformctl message show {one.message.id}"
            )
    return len(seen) == len(sent) and all(
        result.result.status is ResultStatus.SUCCESS for _, result in seen
    )


def _print_result(store: "Store", result: "Result") -> None:
    """Print what the module said, as it said it; what went wrong goes to standard error."""
    if result.content is not None:
        click.echo(result.content)
    if result.error:
        render.say(f"{result.status}: {result.error}")
    elif result.reason:
        render.say(_explain(store, result))


def _explain(store: "Store", result: "Result") -> str:
    """Return the sentence about a message that did not succeed; its status may follow only now."""
    from shared.services.explaining import explain_message

    message = store.messages.get(result.message_id)
    if message is None:
        return f"{result.status}: {result.reason}"
    ended = replace(message, status=result.status.message_status, ended_at=result.at)
    return explain_message(store, ended, utc_now()).sentence
