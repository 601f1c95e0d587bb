"""The batches: one operation per module, ends that are not needed, failures that are undone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.domain.closing import OfflineReason
from shared.domain.ids import SessionId
from shared.domain.module import Module
from shared.domain.session import Decision, SessionEnd
from shared.errors import DatabaseUnavailable
from shared.services.sessions import NodeView
from shared.store import Store
from tests.support.builders import NODE, NOON, make_claim, make_module, make_node
from wsd.database import Database
from wsd.session_writer import SessionWriter


@pytest.fixture
def module(store: Store) -> Module:
    made = make_module()
    store.modules.insert(made)
    store.nodes.enrol(make_node())
    return made


@pytest.fixture
async def writer(store: Store) -> AsyncIterator[SessionWriter]:
    bridge = Database()
    view = NodeView(node=NODE, holds=lambda _: False, takeover_window=timedelta(seconds=60))
    yield SessionWriter(bridge, store, lambda: view)
    bridge.close()


def make_end(module: Module, session: str = "session-1", **overrides: object) -> SessionEnd:
    values = {
        "module_hash": module.module_hash,
        "session_id": SessionId(session),
        "epoch": 1,
        "reason": OfflineReason.BYE,
        "at": NOON,
    }
    return SessionEnd(**values | overrides)


def wanted() -> bool:
    return True


async def claim_in_background(
    writer: SessionWriter, module: Module, session: str, is_wanted=wanted
):
    claim = make_claim(module.module_hash, id=SessionId(session))
    task = asyncio.create_task(writer.claim(claim, is_wanted))
    await asyncio.sleep(0)
    return task


async def test_a_claim_binds_its_session(
    writer: SessionWriter, module: Module, store: Store
) -> None:
    waiting = await claim_in_background(writer, module, "session-1")
    await writer.write_one_batch()
    assert (await waiting).decision is Decision.ACCEPTED
    assert store.modules.get(module.module_hash).session.id == "session-1"


async def test_an_end_before_its_claim_waits_for_the_next_batch(
    writer: SessionWriter, module: Module, store: Store
) -> None:
    waiting = await claim_in_background(writer, module, "session-1")
    batch = asyncio.create_task(writer.write_one_batch())
    await asyncio.sleep(0)  # the claim is in flight
    writer.end(make_end(module))
    await batch
    assert (await waiting).decision is Decision.ACCEPTED
    await writer.write_one_batch()
    assert store.modules.get(module.module_hash).session is None


async def test_an_end_is_not_written_when_a_newer_claim_waits_but_is_recorded(
    writer: SessionWriter, module: Module, store: Store
) -> None:
    first = await claim_in_background(writer, module, "session-1")
    await writer.write_one_batch()
    await first
    second = await claim_in_background(writer, module, "session-2")
    writer.end(make_end(module, "session-1"))
    await writer.write_one_batch()
    assert (await second).decision is Decision.ACCEPTED
    assert not writer.is_busy_with(module.module_hash)
    (left,) = [event for event in store.events.find() if event.what == "offline"]
    assert left.reason == "bye"


async def test_an_end_is_written_after_all_when_the_newer_claim_is_refused(
    writer: SessionWriter, module: Module, store: Store
) -> None:
    first = await claim_in_background(writer, module, "session-1")
    await writer.write_one_batch()
    await first
    store.modules.set_enabled(module.module_hash, NOON, enabled=False)
    second = await claim_in_background(writer, module, "session-2")
    writer.end(make_end(module, "session-1"))
    await writer.write_one_batch()
    assert (await second).decision is Decision.DISABLED
    await writer.write_one_batch()
    assert store.modules.get(module.module_hash).session is None


async def test_a_claim_whose_client_has_gone_is_never_written(
    writer: SessionWriter, module: Module, store: Store
) -> None:
    waiting = await claim_in_background(writer, module, "session-1", is_wanted=lambda: False)
    await writer.write_one_batch()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert store.modules.get(module.module_hash).epoch == 0


async def test_two_claims_of_one_module_are_written_one_after_the_other(
    writer: SessionWriter, module: Module, store: Store
) -> None:
    first = await claim_in_background(writer, module, "session-1")
    second = await claim_in_background(writer, module, "session-2")
    await writer.write_one_batch()
    assert (await first).epoch == 1
    assert not second.done()
    await writer.write_one_batch()
    assert (await second).epoch == 2


async def test_a_batch_that_failed_refuses_its_claims_and_ends_what_landed(
    writer: SessionWriter, module: Module, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymongo.errors import AutoReconnect

    monkeypatch.setattr("wsd.session_writer.PAUSE_AFTER_FAILURE_SECONDS", 0)
    with monkeypatch.context() as broken:
        # The answer is cut off after the server applied the batch.
        def cut_off(*args: object) -> None:
            raise AutoReconnect("cut off")

        broken.setattr(store.node_commands, "give", cut_off)
        waiting = await claim_in_background(writer, module, "session-1")
        await writer.write_one_batch()
    with pytest.raises(DatabaseUnavailable):
        await waiting
    assert store.modules.get(module.module_hash).session is not None
    await writer.write_one_batch()
    assert store.modules.get(module.module_hash).session is None


async def test_ends_survive_an_outage(
    writer: SessionWriter, module: Module, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymongo.errors import AutoReconnect

    first = await claim_in_background(writer, module, "session-1")
    await writer.write_one_batch()
    await first
    monkeypatch.setattr("wsd.session_writer.PAUSE_AFTER_FAILURE_SECONDS", 0)
    with monkeypatch.context() as broken:

        def unreachable(*args: object) -> None:
            raise AutoReconnect("unreachable")

        broken.setattr(store.events, "record", unreachable)
        writer.end(make_end(module))
        await writer.write_one_batch()
    assert store.modules.get(module.module_hash).session is not None
    await writer.write_one_batch()
    assert store.modules.get(module.module_hash).session is None


async def test_a_claim_that_waits_behind_a_failed_batch_is_refused_with_it(
    writer: SessionWriter, module: Module, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymongo.errors import AutoReconnect

    def unreachable(*args: object) -> None:
        raise AutoReconnect("unreachable")

    monkeypatch.setattr("wsd.session_writer.PAUSE_AFTER_FAILURE_SECONDS", 0)
    monkeypatch.setattr(store.modules, "read_sessions", unreachable)
    waiting = [await claim_in_background(writer, module, f"session-{n}") for n in range(3)]
    await writer.write_one_batch()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [DatabaseUnavailable] * 3
