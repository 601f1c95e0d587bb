"""What keeps the database small and the list true: purges, and the sweep of orphaned sessions."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.services.delivery import release_orphans
from shared.services.execution_ends import note_left_ends
from shared.services.nodes import sweep_orphans
from shared.services.punctuality import count_an_hour
from shared.services.registration import finish_abandoned
from shared.settings import Settings
from shared.store import Store, batch_timeout
from worker.trusted_clock import TrustedClock

# A node reads its commands every second: one this old was left to a node that is gone.
COMMAND_LIFE = timedelta(hours=1)
PURGE_SLICE = 500

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long what has ended is kept."""

    events: timedelta
    messages: timedelta
    results: timedelta
    executions: timedelta


def retention_of(settings: Settings) -> Retention:
    """Return how long the settings say."""
    return Retention(
        events=timedelta(days=settings.event_retention_days),
        messages=timedelta(days=settings.message_retention_days),
        results=timedelta(days=settings.result_retention_days),
        executions=timedelta(days=settings.execution_retention_days),
    )


class Housekeeping:
    """The worker's ticks; each is one restartable step, safe in any number of processes."""

    def __init__(self, store: Store, clock: TrustedClock, retention: Retention) -> None:
        self._store = store
        self._clock = clock
        self._retention = retention

    def check_clock(self) -> bool:
        """Look whether the clocks agree, so that a jump is told soon."""
        self._clock.judge()
        return False

    def purge(self) -> bool:
        """Delete old node commands and a slice of old events; True while work is left."""
        judgement = self._clock.judge()
        if judgement.doubt:
            return False
        with batch_timeout():
            self._store.node_commands.purge(judgement.likely - COMMAND_LIFE)
            count = self._store.events.purge(judgement.likely - self._retention.events)
        if count:
            log.info("purged old events", extra={"count": count})
        return count > 0

    def purge_work(self) -> bool:
        """Delete slices of old messages, results and executions; True while work is left."""
        judgement = self._clock.judge()
        if judgement.doubt:
            return False
        now, kept = judgement.likely, self._retention
        messages = self._store.message_deadlines
        purges: tuple[tuple[Callable[[datetime, int], int], timedelta], ...] = (
            (messages.purge, kept.messages),
            (messages.purge_without_deadline, kept.messages),
            (self._store.results.purge, kept.results),
            (self._store.executions.purge, kept.executions),
        )
        count = 0
        for purge, age in purges:
            with batch_timeout():
                count += purge(now - age, PURGE_SLICE)
        if count:
            log.info("purged old work", extra={"count": count})
        return count > 0

    def count_an_hour(self) -> bool:
        """Count the executions of a full hour for the list; True while work is left."""
        judgement = self._clock.judge()
        return not judgement.doubt and count_an_hour(self._store, judgement.likely)

    def note_left_ends(self) -> bool:
        """Note ends of executions that a killed process did not; True while work is left."""
        return note_left_ends(self._store, self._clock.judge().likely)

    def finish_registrations(self) -> bool:
        """Record the events of registrations whose process was killed in the middle."""
        judgement = self._clock.judge()
        if judgement.doubt:
            return False
        with batch_timeout():
            count = finish_abandoned(self._store, judgement.likely)
        if count:
            log.info("finished abandoned registrations", extra={"count": count})
        return False

    def remove_orphaned_heartbeats(self) -> bool:
        """Remove the heartbeats of modules that were deleted while a node still had them."""
        with batch_timeout():
            # In this order: a module that registers in between is in the second answer.
            hashes = self._store.heartbeats.hashes()
            orphans = set(hashes) - self._store.modules.names(hashes).keys()
            self._store.heartbeats.remove_many(orphans)
        if orphans:
            log.info("removed orphaned heartbeats", extra={"count": len(orphans)})
        return False

    def sweep_orphans(self) -> bool:
        """Take modules offline whose node has no document any more; True while work is left."""
        return sweep_orphans(self._store, self._clock.judge().likely)

    def release_orphans(self) -> bool:
        """Take back messages whose node has no document any more; True while work is left."""
        return release_orphans(self._store, self._clock.judge().likely)
