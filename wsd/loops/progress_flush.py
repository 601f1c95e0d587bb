"""Writes how far modules got: the latest word about each message, once a second, beside the results."""

from itertools import islice

from shared.domain.ids import MessageId, ModuleHash
from shared.domain.message import Progress, Told
from wsd.database import Database

# What progress may cost the database in a second, whatever modules say.
WRITTEN_AT_ONCE = 100


class ProgressFlush:
    """Keeps the latest progress of each message until a tick writes it.

    A session's own work has a place each. Of work that an earlier session was sent, only one piece
    of each module has: its id may be any, and costs next to nothing therefore.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[MessageId | ModuleHash, Told] = {}

    def note(
        self, message_id: MessageId, module_hash: ModuleHash, progress: Progress, *, is_open: bool
    ) -> None:
        """Note how far a module got; only the latest word counts."""
        told = Told(message_id=message_id, module_hash=module_hash, progress=progress)
        self._waiting[message_id if is_open else module_hash] = told

    def forget(self, message_id: MessageId) -> None:
        """Forget the progress of what has ended."""
        self._waiting.pop(message_id, None)

    async def tick(self) -> bool:
        """Write what has waited longest; what a failed write held waits again, if nothing is newer."""
        taken = dict(islice(self._waiting.items(), WRITTEN_AT_ONCE))
        if not taken:
            return False
        for key in taken:
            del self._waiting[key]
        try:
            write = self._database.store.deliveries.note_progress
            await self._database.run(write, list(taken.values()))
        except Exception:
            self._waiting = taken | self._waiting
            raise
        return False
