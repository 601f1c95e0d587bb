"""How much more work fits into the queues of modules, without counting them for every message."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.domain.ids import ModuleHash
from shared.domain.message import QUEUE_MAX, MessageStatus
from shared.store import Store

COUNT_SECONDS = 300.0
FULL_SECONDS = 1.0
# A count is believed until a quarter of the room it found is used up: so that four processes that
# send to one module at once fill its queue hardly beyond the bound. A few more get in: what others
# insert while a process counts is not counted (1,019 of 1,000 by 24 threads of two processes).
SHARE = 4
MODULES_KEPT = 20_000


@dataclass
class _Room:
    left: int
    until: float


class QueueRoom:
    """One for each process; not for several threads at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rooms: dict[ModuleHash, _Room] = {}

    def take(self, store: Store, module_hash: ModuleHash, wanted: int) -> int:
        """Take room for so many messages; return for how many there is room."""
        room, now = self._rooms.get(module_hash), self._clock()
        if room is not None and now < room.until:
            if room.left >= wanted:
                room.left -= wanted
                return wanted
            if room.left < 0:
                return 0  # full, a moment ago
        free = QUEUE_MAX - store.messages.count(module_hash, MessageStatus.QUEUED, QUEUE_MAX)
        taken = max(0, min(wanted, free))
        if len(self._rooms) >= MODULES_KEPT:
            self._rooms.clear()
        is_full = taken < wanted
        self._rooms[module_hash] = _Room(
            left=-1 if is_full else (free - taken) // SHARE,
            until=now + (FULL_SECONDS if is_full else COUNT_SECONDS),
        )
        return taken
