"""Looks whether what was sent has left its queue: a module that is online may have enough to do."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli import render
from shared.domain.message import MessageStatus

if TYPE_CHECKING:
    from shared.domain.ids import MessageId
    from shared.services.sending import Sent
    from shared.store import Store

# A push takes milliseconds; a node that hears of it from its poll alone needs a second.
LOOK_SECONDS = 0.5
LOOK_AGAIN_SECONDS = 0.02


def look_at_deliveries(store: "Store", sent: "Sequence[Sent]") -> "dict[MessageId, str]":
    """Return {id: pushed or queued}, as it is a moment after it was sent."""
    from shared.services.sending import delivery_of

    until = time.monotonic() + LOOK_SECONDS
    latest = {one.message.id: one.message for one in sent}
    expected = {one.message.id for one in sent if one.is_online}
    while expected:
        latest |= store.deliveries.read(expected)
        expected = {i for i in expected if latest[i].status is MessageStatus.QUEUED}
        if time.monotonic() >= until:
            break
        if expected:
            time.sleep(LOOK_AGAIN_SECONDS)
    return {message_id: delivery_of(message) for message_id, message in latest.items()}


def tell_waiting(sent: "Sequence[Sent]", deliveries: "dict[MessageId, str]") -> None:
    """Say what waits although its module is online."""
    for one in sent:
        if one.is_online and one.module and deliveries[one.message.id] == "queued":
            name = one.module.name
            render.say(f"{one.message.id} waits: {name} is online, and busy or about to get it.")
