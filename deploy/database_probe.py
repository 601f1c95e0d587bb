"""Find out that our database refuses writes though its disk has space.

The embedded server's engine gives up for good when its disk is full: from then on it answers
everything with an error, also after space is free again, until it is started anew.
"""

import time

from deploy import disk_space
from shared.settings import Settings
from shared.store import connect
from shared.store.errors import DatabaseError

REFUSAL_SECONDS = 15.0


class DatabaseProbe:
    """Writes once a look, and remembers since when that is refused."""

    def __init__(self, settings: Settings) -> None:
        self._store = connect(settings)
        self._directory = settings.var_dir
        self._pid = 0
        self._refuses_since: float | None = None

    def must_restart(self, pid: int) -> bool:
        """Look once; tell whether this process has refused every write for long enough."""
        if pid != self._pid:
            self._pid, self._refuses_since = pid, None
        now_seconds = time.monotonic()
        if not self._refuses() or disk_space.free_bytes(self._directory) < disk_space.FULL_BYTES:
            self._refuses_since = None
            return False
        if self._refuses_since is None:
            self._refuses_since = now_seconds
        return now_seconds - self._refuses_since >= REFUSAL_SECONDS

    def _refuses(self) -> bool:
        """A server that does not answer is slow, or starting: that is no refusal."""
        try:
            return self._store.refuses_writes()
        except DatabaseError:
            return False

    def close(self) -> None:
        """Close the client."""
        self._store.close()
