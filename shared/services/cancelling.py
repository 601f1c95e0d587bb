"""An execution that shall be cancelled: its messages are given up, then it ends."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from shared.domain.actor import PLATFORM
from shared.domain.execution import Execution
from shared.domain.execution_progress import cancel, open_messages
from shared.domain.ids import MessageId
from shared.domain.message import EndReason, MessageStatus
from shared.domain.result import end_of_cancelled
from shared.services.ending import end_messages
from shared.services.execution_ends import note_ends
from shared.store import Store


def cancel_requested(store: Store, execution: Execution, now: datetime) -> Execution | None:
    """Finish the cancelling of an execution; None when another writer was first.

    What waits in a queue ends at once; what a module has is asked back, and ends when the module
    says so, or ten seconds later. A worker that is killed in between finds the request again.
    """
    give_up_messages(store, open_messages(execution), now)
    ended = replace(cancel(execution, EndReason.OPERATOR, now), revision=execution.revision + 1)
    if not store.executions.replace(execution, ended):
        return None
    note_ends(store, [ended], now)
    return ended


def give_up_messages(store: Store, ids: Iterable[MessageId], now: datetime) -> None:
    """Give up messages whose execution is over."""
    ids = list(ids)
    # First the wish: from then on, what is queued stays in its queue.
    store.messages.request_cancel(ids, PLATFORM, now)
    messages = store.messages.read(ids).values()
    queued = [message for message in messages if message.status is MessageStatus.QUEUED]
    end_messages(store, [end_of_cancelled(message, now) for message in queued], now)
