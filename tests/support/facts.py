"""Facts about one module, load-72h, around noon."""

from datetime import datetime, timedelta
from typing import Any

from shared.domain.closing import OfflineReason
from shared.domain.event import came_online, went_offline
from shared.domain.facts import Facts
from tests.support.builders import NOON, make_module, make_session

# 12:00 UTC is 20:00 in Shanghai.
HASH = make_module(name="load-72h").module_hash
MODULE = make_module(name="load-72h", session=make_session(connected_at=NOON - timedelta(days=2)))
ONLINE: dict[str, Any] = {"modules": {HASH: MODULE}}


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def facts(**overrides: Any) -> Facts:
    return Facts(**{"now": at(60), **ONLINE} | overrides)


def away(begin: float, end: float | None, reason: OfflineReason, **detail: Any) -> dict[str, Any]:
    events = [
        came_online(HASH, 1, at(-2000), node="host-a:10090:1", peer="192.0.2.7:1"),
        went_offline(HASH, 1, at(begin), reason, detail=detail),
    ]
    if end is not None:
        events.append(came_online(HASH, 2, at(end), node="host-b:10090:1", peer="192.0.2.7:2"))
    return {"events": events}
