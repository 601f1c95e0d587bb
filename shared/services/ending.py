"""Messages end: the first result of each is stored, and the message's status follows it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from shared.domain.ids import MessageId
from shared.domain.message import MessageStatus
from shared.domain.result import Result
from shared.services.passing_on import pass_on
from shared.store import Store


def end_messages(store: Store, results: Sequence[Result], now: datetime) -> dict[MessageId, Result]:
    """End messages with these results, or as they ended before; return the results that stand.

    A process that is killed in between leaves a result without its status: the same call, by
    whichever process comes next, mends it.
    """
    standing = {result.message_id: result for result in results}
    if store.results.insert(results) < len(results):
        standing |= store.results.read(standing)
    follow_results(store, standing.values(), now)
    return standing


def follow_results(store: Store, results: Iterable[Result], now: datetime) -> None:
    """Give messages the statuses that their stored results mean; pass on what has a fallback."""
    results = list(results)
    pass_on(store, results, now)
    by_status: dict[MessageStatus, list[MessageId]] = defaultdict(list)
    for result in results:
        by_status[result.status.message_status].append(result.message_id)
    for status, ids in by_status.items():
        store.deliveries.finish(ids, status, now)
