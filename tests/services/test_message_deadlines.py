"""Messages are given up when their time is over, and what a kill left is mended."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.actor import PLATFORM
from shared.domain.message import EndReason, Message, MessageStatus
from shared.domain.result import ResultStatus
from shared.services.message_deadlines import check_pushed, check_queued, end_overdue
from shared.store import Store
from tests.support.builders import ACTOR, NOON, make_message, make_result
from tests.support.killed_store import KilledStore
from tests.support.registry import Registry

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
QUEUED, SENT, ACKED = MessageStatus.QUEUED, MessageStatus.SENT, MessageStatus.ACKED
OVERDUE = NOON - SECOND


def add(store: Store, **overrides: Any) -> Message:
    values = {"deadline_at": OVERDUE}
    message = make_message(**values | overrides)
    store.messages.insert([message])
    return message


def end_of(store: Store, message: Message) -> tuple[MessageStatus, EndReason | None]:
    """Return the status of a message, and the reason in its result."""
    stored, result = store.messages.get(message.id), store.results.get(message.id)
    assert stored is not None
    if result is not None:
        assert stored.status is result.status.message_status, "the status follows the result"
    return stored.status, result.reason if result else None


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"status": QUEUED}, (MessageStatus.EXPIRED, EndReason.LIFE_OVER)),
        ({"status": QUEUED, "attempt": 1}, (MessageStatus.TIMED_OUT, EndReason.NOT_STARTED)),
        ({"status": SENT}, (MessageStatus.TIMED_OUT, EndReason.NO_RESULT)),
        ({"status": ACKED}, (MessageStatus.TIMED_OUT, EndReason.NO_RESULT)),
        (
            {"status": ACKED, "cancel_requested_at": NOON, "cancel_requested_by": ACTOR},
            (MessageStatus.CANCELLED, EndReason.OPERATOR),
        ),
        (
            {"status": SENT, "cancel_requested_at": NOON, "cancel_requested_by": PLATFORM},
            (MessageStatus.CANCELLED, EndReason.EXECUTION_OVER),
        ),
        ({"status": QUEUED, "deadline_at": NOON + SECOND}, (QUEUED, None)),
        ({"status": SENT, "deadline_at": None}, (SENT, None)),
        ({"status": MessageStatus.SUCCEEDED}, (MessageStatus.SUCCEEDED, None)),
    ],
)
def test_what_is_overdue_ends_with_a_reason(
    store: Store, now: datetime, overrides: dict[str, Any], expected: Any
) -> None:
    message = add(store, **overrides)
    end_overdue(store, now)
    assert end_of(store, message) == expected


def test_a_result_that_came_first_stands(store: Store, now: datetime) -> None:
    message = add(store, status=ACKED)
    store.results.insert([make_result(message_id=message.id)])
    end_overdue(store, now)
    assert end_of(store, message) == (MessageStatus.SUCCEEDED, None)


def test_many_overdue_messages_end_in_slices(store: Store, now: datetime) -> None:
    messages = [add(store, id=f"m{n}") for n in range(5)]
    assert end_overdue(store, now, limit=3)
    assert not end_overdue(store, now, limit=3)
    assert {end_of(store, m)[0] for m in messages} == {MessageStatus.EXPIRED}


@pytest.mark.parametrize("survived", range(2))
def test_a_worker_that_is_killed_leaves_the_rest_to_the_next(
    store: Store, now: datetime, survived: int
) -> None:
    message = add(store, status=SENT)
    with pytest.raises(KeyboardInterrupt):
        end_overdue(KilledStore(store, survived), now)  # type: ignore[arg-type]
    end_overdue(store, now)
    assert end_of(store, message) == (MessageStatus.TIMED_OUT, EndReason.NO_RESULT)


@pytest.mark.parametrize(("age", "mended"), [(29, False), (31, True)])
def test_a_status_that_a_killed_wsd_did_not_write_follows_soon(
    store: Store, now: datetime, age: int, mended: bool
) -> None:
    sent_at = now - age * SECOND
    message = add(store, status=ACKED, sent_at=sent_at, deadline_at=now + HOUR)
    store.results.insert([make_result(message_id=message.id)])
    check_pushed(store, now, None)
    stored = store.messages.get(message.id)
    assert stored is not None
    assert (stored.status is MessageStatus.SUCCEEDED) == mended


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, (MessageStatus.TIMED_OUT, EndReason.NOT_STARTED)),
        ({"start_timeout_seconds": 60.0}, (SENT, None)),
        ({"start_timeout_seconds": None}, (SENT, None)),
        ({"pushed_at": NOON}, (SENT, None)),
        ({"status": ACKED}, (ACKED, None)),
    ],
)
def test_a_module_that_does_not_begin_in_time_has_not_started(
    store: Store, now: datetime, overrides: dict[str, Any], expected: Any
) -> None:
    values: dict[str, Any] = {
        "status": SENT,
        "created_at": now - 11 * SECOND,
        "start_timeout_seconds": 10.0,
        "sent_at": now - SECOND,
        "deadline_at": now + HOUR,
    }
    message = add(store, **values | overrides)
    check_pushed(store, now, None)
    assert end_of(store, message) == expected


def test_what_modules_have_is_looked_at_in_slices_round_and_round(
    store: Store, now: datetime
) -> None:
    for n in range(5):
        add(store, id=f"m{n}", status=ACKED, deadline_at=now + n * HOUR)
    first = check_pushed(store, now, None, limit=2)
    assert first == now + HOUR
    second = check_pushed(store, now, first, limit=2)
    assert second == now + 3 * HOUR
    assert check_pushed(store, now, second, limit=2) is None


def test_messages_with_the_same_deadline_are_one_slice(store: Store, now: datetime) -> None:
    for n in range(5):
        add(store, id=f"m{n}", deadline_at=now + HOUR)
    add(store, id="later", deadline_at=now + 2 * HOUR)
    deadline = check_queued(store, now, None, limit=2)
    assert deadline == now + HOUR
    assert {end_of(store, make_message(id=f"m{n}"))[0] for n in range(5)} == {MessageStatus.DEAD}
    check_queued(store, now, deadline, limit=2)
    assert end_of(store, make_message(id="later"))[0] is MessageStatus.DEAD


def test_what_waits_for_a_module_that_is_deleted_or_disabled_ends(
    store: Store, registry: Registry, now: datetime
) -> None:
    well, disabled = registry.register("well"), registry.register("disabled")
    store.modules.set_enabled(disabled.module_hash, now, enabled=False)
    hashes = {"well": well.module_hash, "disabled": disabled.module_hash, "gone": "f" * 64}
    messages = {
        name: add(store, id=name, module_hash=key, deadline_at=now + HOUR)
        for name, key in hashes.items()
    }
    assert check_queued(store, now, None) is None
    assert {name: end_of(store, message) for name, message in messages.items()} == {
        "well": (QUEUED, None),
        "disabled": (MessageStatus.DEAD, EndReason.MODULE_DISABLED),
        "gone": (MessageStatus.DEAD, EndReason.UNKNOWN_MODULE),
    }


def test_ended_messages_are_purged_by_their_deadlines(store: Store, now: datetime) -> None:
    week = timedelta(days=7)
    add(store, id="old", status=MessageStatus.SUCCEEDED, deadline_at=now - week - SECOND)
    add(store, id="young", status=MessageStatus.SUCCEEDED, deadline_at=now - week + SECOND)
    add(store, id="open", status=QUEUED, deadline_at=now - week - SECOND)
    no_deadline: dict[str, Any] = {"status": SENT, "deadline_at": None}
    add(store, id="old sent", created_at=now - week - SECOND, **no_deadline)
    add(store, id="young sent", created_at=now, **no_deadline)
    assert store.message_deadlines.purge(now - week, 10) == 1
    assert store.message_deadlines.purge_without_deadline(now - week, 10) == 1
    left = {"old", "young", "open", "old sent", "young sent"}
    assert store.messages.read(left).keys() == {"young", "open", "young sent"}


def test_the_first_end_of_a_message_is_its_only_one(store: Store, now: datetime) -> None:
    message = add(store, status=SENT)
    end_overdue(store, now)
    late = make_result(message_id=message.id, status=ResultStatus.SUCCESS)
    assert store.results.insert([late]) == 0
    assert end_of(store, message) == (MessageStatus.TIMED_OUT, EndReason.NO_RESULT)
