"""Acknowledgements: written in groups, or with the result that came with them."""

from typing import Any

import pytest

from shared.domain.message import MessageStatus
from tests.support.work_desk import WorkDesk, result_of, say
from wsd import batch_writer


async def test_an_acknowledgement_that_comes_with_its_result_costs_no_write(
    desk: WorkDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    say(connection, '{"type":"ack","id":"a"}')
    say(connection, result_of("a"))
    written: list[object] = []
    acknowledge = desk.store.deliveries.acknowledge
    monkeypatch.setattr(
        desk.store.deliveries,
        "acknowledge",
        lambda tried, now: written.extend(tried) or acknowledge(tried, now),
    )
    await desk.write()
    assert written == []
    assert desk.read("a").acked_at is None


async def answer_more_than_a_batch(desk: WorkDesk, **overrides: Any) -> list[str]:
    """Have a module acknowledge and answer one message more than a batch holds."""
    ids = [f"m{number}" for number in range(batch_writer.FIRST_OPERATIONS + 1)]
    desk.send(*ids, **overrides)
    connection = desk.connect(in_flight=len(ids))
    while any(desk.read(message_id).status is MessageStatus.QUEUED for message_id in ids):
        await desk.dispatch()
    for message_id in ids:
        say(connection, f'{{"type":"ack","id":"{message_id}"}}')
        say(connection, result_of(message_id))
    return ids


async def test_an_acknowledgement_waits_for_a_result_that_has_come_too(desk: WorkDesk) -> None:
    ids = await answer_more_than_a_batch(desk)
    await desk.inbox.write_one_batch()
    statuses = [desk.read(message_id).status for message_id in ids]
    assert statuses == [MessageStatus.SUCCEEDED] * (len(ids) - 1) + [MessageStatus.SENT]
    await desk.write()
    assert desk.read(ids[-1]).status is MessageStatus.SUCCEEDED


async def test_an_acknowledgement_that_must_come_in_time_waits_for_no_result(
    desk: WorkDesk,
) -> None:
    ids = await answer_more_than_a_batch(desk, start_timeout_seconds=60)
    await desk.inbox.write_one_batch()
    assert desk.read(ids[-1]).status is MessageStatus.ACKED


async def test_a_node_that_leaves_keeps_no_acknowledgement_back(desk: WorkDesk) -> None:
    ids = await answer_more_than_a_batch(desk)
    desk.inbox.keeps_acks = False
    await desk.inbox.write_one_batch()
    assert desk.read(ids[-1]).status is MessageStatus.ACKED


async def test_a_foreign_acknowledgement_changes_nothing(desk: WorkDesk) -> None:
    desk.send("a")
    desk.connect()
    await desk.dispatch()
    charlie = desk.connect(module_hash="c" * 64)
    say(charlie, '{"type":"ack","id":"a"}')
    say(charlie, '{"type":"progress","id":"a","percent":99}')
    await desk.write()
    assert desk.read("a").status is MessageStatus.SENT
    assert desk.read("a").progress is None
