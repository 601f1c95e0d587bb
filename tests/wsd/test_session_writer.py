"""The queue of claims and ends: one operation per module, and failures that are undone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from pymongo.errors import AutoReconnect

from shared.clock import utc_now
from shared.domain.actor import Actor
from shared.domain.closing import OfflineReason
from shared.domain.ids import NodeId, SessionId
from shared.domain.module import Module
from shared.domain.session import ClaimOutcome, Decision, SessionEnd
from shared.errors import DatabaseUnavailable, PlatformError
from shared.services.module_admin import expire_modules, set_enabled
from shared.services.sessions import NodeView
from tests.support.builders import NODE, NOON, make_claim
from tests.support.registry import Registry
from wsd import batch_writer
from wsd.database import Database
from wsd.metrics import Metrics
from wsd.session_writer import SessionWriter

OPERATOR = Actor("cli:test")
OTHER = NodeId("host-b:10090:1")

RebindFailure = Callable[..., Awaitable["asyncio.Task[ClaimOutcome]"]]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_writer, "PAUSE_AFTER_FAILURE_SECONDS", 0)


@pytest.fixture
def module(registry: Registry) -> Module:
    registry.now = utc_now()  # the writer takes the time from the clock
    registry.enrol()
    registry.enrol(OTHER)
    return registry.register()


@pytest.fixture
def held() -> set[SessionId]:
    return set()


@pytest_asyncio.fixture
async def writer(registry: Registry, held: set[SessionId]) -> AsyncIterator[SessionWriter]:
    database = Database(registry.store, threads=1, name="batches")
    view = NodeView(node=NODE, holds=held.__contains__, takeover_window=timedelta(seconds=60))
    yield SessionWriter(database, lambda: view, Metrics())
    database.close()


def make_end(module: Module, session: str = "session-1", **overrides: Any) -> SessionEnd:
    subject = {"module_hash": module.module_hash, "session_id": SessionId(session)}
    values = {"epoch": 1, "reason": OfflineReason.BYE, "at": NOON}
    return SessionEnd(**subject | values | overrides)


async def queue(
    writer: SessionWriter,
    module: Module,
    session: str = "session-1",
    *,
    is_wanted: Callable[[], bool] = lambda: True,
    **overrides: Any,
) -> "asyncio.Task[ClaimOutcome]":
    """Queue a claim; its outcome comes with a batch."""
    claim = make_claim(module.module_hash, id=SessionId(session), **overrides)
    task = asyncio.create_task(writer.claim(claim, is_wanted))
    await asyncio.sleep(0)
    return task


async def connect(writer: SessionWriter, module: Module, session: str = "session-1") -> None:
    waiting = await queue(writer, module, session)
    await writer.write_one_batch()
    assert (await waiting).decision is Decision.ACCEPTED


async def settle(writer: SessionWriter) -> None:
    """Write batches until nothing waits."""
    while writer.count_waiting():
        await writer.write_one_batch()


def fail(*_args: object) -> None:
    raise AutoReconnect("the network failed")


def history(registry: Registry, module: Module) -> list[str]:
    """Return how the module came and went."""
    return [what for what, _ in registry.happened(module) if what in ("online", "offline")]


async def test_a_claim_starts_its_session(
    writer: SessionWriter, registry: Registry, module: Module
) -> None:
    await connect(writer, module)
    assert registry.read(module).session.id == "session-1"


async def test_an_end_that_comes_while_its_claim_is_in_flight_waits_for_the_next_batch(
    writer: SessionWriter, registry: Registry, module: Module
) -> None:
    waiting = await queue(writer, module)
    batch = asyncio.create_task(writer.write_one_batch())
    await asyncio.sleep(0)
    writer.end(make_end(module))
    await batch
    assert (await waiting).decision is Decision.ACCEPTED
    await writer.write_one_batch()
    assert registry.read(module).session is None


async def test_an_end_is_recorded_and_not_written_when_a_newer_claim_waits(
    writer: SessionWriter, registry: Registry, module: Module
) -> None:
    await connect(writer, module)
    second = await queue(writer, module, "session-2")
    writer.end(make_end(module))
    await writer.write_one_batch()
    assert (await second).decision is Decision.ACCEPTED
    assert not writer.is_changing(module.module_hash)
    assert ("offline", "bye") in registry.happened(module)


async def test_an_end_is_written_after_all_when_the_newer_claim_is_refused(
    writer: SessionWriter, registry: Registry, module: Module
) -> None:
    await connect(writer, module)
    set_enabled(registry.store, module.module_hash, NOON, OPERATOR, enabled=False)
    second = await queue(writer, module, "session-2")
    writer.end(make_end(module))
    await settle(writer)
    assert (await second).decision is Decision.DISABLED
    assert registry.read(module).session is None


async def test_the_end_of_a_replaced_socket_is_recorded_and_makes_no_claim_be_read_back(
    writer: SessionWriter, registry: Registry, module: Module, held: set[SessionId]
) -> None:
    await connect(writer, module)
    await connect(writer, module, "session-2")
    newest = registry.read(module)
    writer.end(make_end(module, reason=OfflineReason.REPLACED))
    await settle(writer)
    assert registry.read(module) == newest
    assert history(registry, module) == ["online", "offline", "online"]


async def test_a_claim_whose_client_has_gone_is_never_written(
    writer: SessionWriter, registry: Registry, module: Module
) -> None:
    waiting = await queue(writer, module, is_wanted=lambda: False)
    await writer.write_one_batch()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert registry.read(module).epoch == 0


async def test_two_claims_of_one_module_are_written_one_after_the_other(
    writer: SessionWriter, module: Module
) -> None:
    first, second = await queue(writer, module), await queue(writer, module, "session-2")
    await writer.write_one_batch()
    assert (await first).epoch == 1
    assert not second.done()
    await writer.write_one_batch()
    assert (await second).epoch == 2


@pytest.mark.parametrize("lost_after", ["reading", "ends", "writing", "events", "everything"])
async def test_a_failed_batch_refuses_its_claims_and_leaves_a_whole_history(
    writer: SessionWriter,
    registry: Registry,
    module: Module,
    monkeypatch: pytest.MonkeyPatch,
    lost_after: str,
) -> None:
    registry.connect(module, node=OTHER, id="incumbent")
    with monkeypatch.context() as broken:
        break_after(broken, registry, lost_after)
        waiting = await queue(writer, module)
        await writer.write_one_batch()
    with pytest.raises(DatabaseUnavailable):
        await waiting
    await settle(writer)
    if registry.read(module).session is not None:  # the incumbent, which kept its session
        assert registry.read(module).session.id == "incumbent"
        registry.write(ends=(make_end(module, "incumbent"),), node=OTHER)
    assert history(registry, module) in (
        ["online", "offline"],
        ["online", "offline", "online", "offline"],
    )


def break_after(broken: pytest.MonkeyPatch, registry: Registry, step: str) -> None:
    """Have the network fail after this step of a batch was done, or before the first write."""
    store = registry.store
    write, record = store.sessions.write, store.events.record

    def write_and_fail(*args: Any) -> None:
        write(*args)
        fail()

    def record_and_fail(events: Any) -> None:
        record(events)
        if events:
            fail()

    steps = {
        "reading": (store.events, "record", fail),
        "ends": (store.sessions, "write", fail),
        "writing": (store.sessions, "write", write_and_fail),
        "events": (store.events, "record", record_and_fail),
        "everything": (store.counters, "note_registry_change", fail),
    }
    broken.setattr(*steps[step])


async def test_a_claim_after_a_failed_batch_waits_until_that_is_cleared_up(
    writer: SessionWriter, registry: Registry, module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        break_after(broken, registry, "writing")
        lost = await queue(writer, module)
        await writer.write_one_batch()
    with pytest.raises(DatabaseUnavailable):
        await lost
    again = await queue(writer, module, "session-2")
    await settle(writer)
    assert (await again).decision is Decision.ACCEPTED
    assert history(registry, module) == ["online", "offline", "online"]


async def test_ends_survive_an_outage(
    writer: SessionWriter, registry: Registry, module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connect(writer, module)
    with monkeypatch.context() as broken:
        broken.setattr(registry.store.events, "record", fail)
        writer.end(make_end(module))
        await writer.write_one_batch()
    assert registry.read(module).session is not None
    await settle(writer)
    assert registry.read(module).session is None
    assert history(registry, module) == ["online", "offline"]


async def test_claims_behind_a_failed_batch_are_refused_with_it(
    writer: SessionWriter, registry: Registry, module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.store.sessions, "read", fail)
    waiting = [await queue(writer, module, f"session-{n}") for n in range(3)]
    await writer.write_one_batch()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [DatabaseUnavailable] * 3


async def test_an_operation_that_the_database_refuses_for_good_harms_no_other(
    writer: SessionWriter, registry: Registry, module: Module
) -> None:
    bad_end, bad_claim = registry.register("bad-end"), registry.register("bad-claim")
    await connect(writer, bad_end, "session-2")
    writer.end(make_end(bad_end, "session-2", detail={"number": 2**63}))
    refused = await queue(writer, bad_claim, "session-3", peer="\ud800")
    accepted = await queue(writer, module)
    await settle(writer)
    assert (await accepted).decision is Decision.ACCEPTED
    with pytest.raises(PlatformError, match="Internal error"):
        await refused
    assert registry.read(bad_claim).session is None
    assert not any(writer.is_changing(m.module_hash) for m in (module, bad_end, bad_claim))


@pytest.fixture
def fail_rebind(
    writer: SessionWriter,
    registry: Registry,
    module: Module,
    held: set[SessionId],
    monkeypatch: pytest.MonkeyPatch,
) -> RebindFailure:
    """Rebind a held socket in a batch whose answer is lost; return the claim, which waits on."""

    async def rebind(
        lost_after: str = "writing", meanwhile: Callable[[], object] = lambda: None
    ) -> "asyncio.Task[ClaimOutcome]":
        await connect(writer, module)
        held.add(SessionId("session-1"))
        registry.write(ends=(make_end(module, reason=OfflineReason.NODE_LOST),))
        with monkeypatch.context() as broken:
            break_after(broken, registry, lost_after)
            waiting = await queue(writer, module, held_epoch=1, is_wanted=lambda: bool(held))
            batch = asyncio.create_task(writer.write_one_batch())
            await asyncio.sleep(0)
            meanwhile()
            await batch
        return waiting

    return rebind


@pytest.mark.parametrize("lost_after", ["ends", "writing", "events", "everything"])
async def test_a_rebind_is_tried_again_until_it_is_written_once(
    writer: SessionWriter,
    registry: Registry,
    module: Module,
    fail_rebind: RebindFailure,
    lost_after: str,
) -> None:
    waiting = await fail_rebind(lost_after)
    await settle(writer)
    outcome = await waiting
    assert (outcome.decision, outcome.epoch) == (Decision.ACCEPTED, 2)
    assert registry.read(module).epoch == 2
    assert history(registry, module) == ["online", "offline", "online"]


@pytest.mark.parametrize("closes", ["in flight", "afterwards"])
async def test_a_rebind_whose_socket_closed_before_its_answer_came_is_ended_and_recorded(
    writer: SessionWriter,
    registry: Registry,
    module: Module,
    held: set[SessionId],
    fail_rebind: RebindFailure,
    closes: str,
) -> None:
    def close() -> None:
        held.clear()
        writer.end(make_end(module))

    meanwhile = close if closes == "in flight" else lambda: None
    waiting = await fail_rebind(meanwhile=meanwhile)
    if closes == "afterwards":
        close()
    await settle(writer)
    assert waiting.cancelled()
    assert registry.read(module).session is None
    assert history(registry, module) == ["online", "offline", "online", "offline"]


async def test_a_session_that_moves_to_the_nodes_new_id_ends_under_the_old_one(
    writer: SessionWriter, registry: Registry, module: Module, held: set[SessionId]
) -> None:
    registry.connect(module, node=NodeId("host-a:10090:0"), id="session-1")
    held.add(SessionId("session-1"))
    waiting = await queue(writer, module, held_epoch=1)
    await writer.write_one_batch()
    assert (await waiting).epoch == 2
    assert registry.happened(module)[1:] == [
        ("online", None),
        ("offline", "node_lost"),
        ("online", None),
    ]


async def test_newcomers_of_two_nodes_that_race_end_with_one_open_socket(
    writer: SessionWriter, registry: Registry, module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The neighbour takes over between this batch's write and its reading back."""
    late = registry.connect(registry.register("late"), node=OTHER)
    read = registry.store.sessions.read

    def interfere(hashes: Any) -> Any:
        if registry.read(module).session is not None:
            monkeypatch.undo()
            registry.connect(module, node=OTHER, id="rival")
        return read(hashes)

    monkeypatch.setattr(registry.store.sessions, "read", interfere)
    waiting = await queue(writer, module)
    writer.end(make_end(late, "another-session", epoch=7))  # its guard fails
    await settle(writer)
    outcome = await waiting
    winner = registry.read(module).session
    assert winner == outcome.claim.session
    ours = {command.session for command in registry.store.node_commands.read(NODE)}
    theirs = {command.session for command in registry.store.node_commands.read(OTHER)}
    assert (ours, theirs) == ({"session-1"}, {"rival"})
    assert winner.id not in ours
    assert history(registry, module) == ["online", "offline", "online", "offline", "online"]


async def test_an_expired_socket_is_not_rebound_after_a_failed_batch(
    writer: SessionWriter, registry: Registry, module: Module, fail_rebind: RebindFailure
) -> None:
    waiting = await fail_rebind()
    expire_modules(registry.store, [registry.read(module)], NOON, OPERATOR)
    await settle(writer)
    assert (await waiting).decision is Decision.SUPERSEDED
    assert registry.read(module).session is None
