"""Batches of sessions: every decision, every guard, and what is recorded about them."""

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.closing import REPLACED, OfflineReason
from shared.domain.event import Event, module_subject
from shared.domain.ids import NodeId, SessionId
from shared.domain.module import Module
from shared.domain.node_command import CommandKind
from shared.domain.session import Decision, SessionEnd
from shared.services.module_admin import expire_modules, set_enabled
from tests.support.builders import ACTOR, NODE
from tests.support.killed_store import KilledStore
from tests.support.registry import Registry
from tests.support.tampering import remove_module

OTHER = NodeId("host-b:10090:1")


@pytest.fixture(autouse=True)
def nodes(registry: Registry) -> None:
    registry.enrol()
    registry.enrol(OTHER)


def make_end(module: Module, registry: Registry, **overrides: Any) -> SessionEnd:
    assert module.session is not None
    values = {
        "module_hash": module.module_hash,
        "session_id": module.session.id,
        "epoch": module.epoch,
        "reason": OfflineReason.BYE,
        "at": registry.now,
        "peer": module.session.peer,
    }
    return SessionEnd(**values | overrides)


def before_the_write(registry: Registry, interfere) -> None:
    """Let another process write between this batch's read and its write."""
    sessions = registry.store.sessions
    write = sessions.write

    def write_late(*arguments: Any) -> int:
        sessions.write = write
        interfere()
        return write(*arguments)

    sessions.write = write_late


def test_a_claim_binds_a_registered_module(registry: Registry) -> None:
    module = registry.register()
    claim = registry.claim(module)
    (outcome,) = registry.write(claim)
    stored = registry.read(module)
    assert (outcome.decision, outcome.epoch, outcome.previous) == (Decision.ACCEPTED, 1, None)
    assert (stored.session, stored.epoch) == (claim.session, 1)
    assert (stored.state_since, stored.last_login_time) == (registry.now, registry.now)
    assert registry.happened(module)[-1] == ("online", None)


def test_a_claim_for_nobody_is_answered_so(registry: Registry) -> None:
    module = registry.register()
    remove_module(registry.store, module.module_hash)
    (outcome,) = registry.write(registry.claim(module))
    assert outcome.decision is Decision.UNKNOWN_MODULE
    assert registry.store.modules.is_empty()


def test_a_disabled_module_is_not_bound(registry: Registry) -> None:
    module = registry.register()
    set_enabled(registry.store, module.module_hash, registry.now, ACTOR, enabled=False)
    (outcome,) = registry.write(registry.claim(module))
    assert outcome.decision is Decision.DISABLED
    assert registry.read(module).session is None


def test_a_module_that_is_disabled_at_the_last_moment_is_not_bound(registry: Registry) -> None:
    module = registry.register()
    before_the_write(
        registry,
        lambda: set_enabled(registry.store, module.module_hash, registry.now, ACTOR, enabled=False),
    )
    (outcome,) = registry.write(registry.claim(module))
    assert outcome.decision is Decision.OUTRUN
    assert registry.read(module).session is None


def test_a_module_that_is_deleted_at_the_last_moment_is_not_bound(registry: Registry) -> None:
    module = registry.register()
    before_the_write(registry, lambda: remove_module(registry.store, module.module_hash))
    (outcome,) = registry.write(registry.claim(module))
    assert outcome.decision is Decision.OUTRUN
    assert registry.store.modules.is_empty()


def test_a_claim_that_another_writer_outruns_has_no_session_and_no_event(
    registry: Registry,
) -> None:
    module, neighbour = registry.register(), registry.register("neighbour")
    before_the_write(registry, lambda: registry.connect(module, node=OTHER, id="winner"))
    outran, bound = registry.write(registry.claim(module), registry.claim(neighbour))
    assert (outran.decision, bound.decision) == (Decision.OUTRUN, Decision.ACCEPTED)
    stored = registry.read(module)
    assert (stored.session.id, stored.epoch) == ("winner", 1)
    assert registry.happened(module) == [("registered", None), ("online", None)]
    assert registry.store.node_commands.read(OTHER) == []


def test_a_claim_that_was_outrun_wins_by_claiming_again(registry: Registry) -> None:
    module = registry.register()
    claim = registry.claim(module)
    before_the_write(registry, lambda: registry.connect(module, node=OTHER))
    registry.write(claim)
    (outcome,) = registry.write(claim)
    assert outcome.decision is Decision.ACCEPTED
    assert registry.read(module).session == claim.session


def test_a_takeover_on_another_node_is_ordered_there(registry: Registry) -> None:
    module = registry.connect(registry.register(), node=OTHER)
    claim = registry.claim(module)
    (outcome,) = registry.write(claim)
    assert (outcome.decision, outcome.epoch) == (Decision.ACCEPTED, 2)
    assert outcome.previous == module.session
    (command,) = registry.store.node_commands.read(OTHER)
    assert (command.session, command.kind) == (module.session.id, CommandKind.CLOSE)
    assert command.closing == REPLACED
    assert registry.happened(module)[-2:] == [("offline", "replaced"), ("online", None)]


def test_a_takeover_on_the_same_node_needs_no_command(registry: Registry) -> None:
    module = registry.connect(registry.register())
    registry.write(registry.claim(module), held={module.session.id})
    assert registry.store.node_commands.read(NODE) == []
    assert registry.happened(module)[-2] == ("offline", "replaced")
    assert registry.read(module).takeovers == (registry.now,)


def test_a_session_whose_socket_is_gone_was_lost_and_not_replaced(registry: Registry) -> None:
    module = registry.connect(registry.register())
    registry.write(registry.claim(module))
    assert registry.happened(module)[-2] == ("offline", "connection_lost")
    assert registry.read(module).takeovers == ()


@pytest.mark.parametrize("fate", ["lease ran out", "declared dead", "gone"])
def test_a_session_of_a_dead_node_was_lost_with_it(registry: Registry, fate: str) -> None:
    module = registry.connect(registry.register(), node=OTHER)
    if fate == "lease ran out":
        registry.store.nodes.renew(OTHER, registry.now - timedelta(seconds=3), sessions=1)
    elif fate == "declared dead":
        registry.store.nodes.declare_dead(OTHER, 1, registry.now)
    else:
        registry.store.nodes.remove(OTHER)
    registry.write(registry.claim(module))
    assert registry.happened(module)[-2] == ("offline", "node_lost")
    assert registry.read(module).takeovers == ()
    assert registry.store.node_commands.read(OTHER) == []


def test_a_session_of_a_stopping_node_ended_with_its_restart(registry: Registry) -> None:
    module = registry.connect(registry.register(), node=OTHER)
    registry.store.nodes.retire(OTHER, OfflineReason.PLATFORM_RESTART, registry.now)
    registry.write(registry.claim(module))
    assert registry.happened(module)[-2] == ("offline", "platform_restart")


def take_over(registry: Registry, module: Module, times: int) -> None:
    """Let the two nodes take a module from each other, two seconds apart."""
    for number in range(times):
        registry.now += timedelta(seconds=2)
        registry.connect(module, node=(NODE, OTHER)[number % 2])


def test_the_fourth_takeover_within_a_minute_is_a_loop(registry: Registry) -> None:
    module = registry.connect(registry.register(), node=OTHER)
    take_over(registry, module, 3)
    incumbent = registry.read(module)
    (outcome,) = registry.write(registry.claim(module, node=OTHER), node=OTHER)
    assert outcome.decision is Decision.LOOPING
    assert outcome.previous == incumbent.session
    assert registry.read(module) == incumbent


def test_a_loop_is_broken_when_the_incumbent_did_not_answer(registry: Registry) -> None:
    module = registry.connect(registry.register(), node=OTHER)
    take_over(registry, module, 3)
    (outcome,) = registry.write(registry.claim(module, node=OTHER, is_probed=True), node=OTHER)
    assert outcome.decision is Decision.ACCEPTED


def test_a_minute_later_a_takeover_is_no_loop(registry: Registry) -> None:
    module = registry.connect(registry.register(), node=OTHER)
    take_over(registry, module, 3)
    registry.now += timedelta(seconds=61)
    for node in (NODE, OTHER):
        registry.store.nodes.renew(node, registry.now, sessions=0)
    (outcome,) = registry.write(registry.claim(module, node=OTHER), node=OTHER)
    assert outcome.decision is Decision.ACCEPTED


def test_a_crashing_program_that_comes_back_is_no_loop(registry: Registry) -> None:
    """Its old sockets are gone: however often it comes, no session is taken over."""
    module = registry.register()
    for _ in range(20):
        registry.connect(module)


def test_a_socket_that_the_database_forgot_is_bound_again(registry: Registry) -> None:
    module = registry.connect(registry.register())
    registry.write(ends=(make_end(module, registry, reason=OfflineReason.NODE_LOST),))
    again = registry.claim(module, id=module.session.id, held_epoch=module.epoch)
    (outcome,) = registry.write(again, held={module.session.id})
    assert (outcome.decision, outcome.epoch) == (Decision.ACCEPTED, module.epoch + 1)
    assert registry.read(module).session.id == module.session.id


def test_a_socket_that_is_bound_again_was_connected_all_the_time(registry: Registry) -> None:
    module = registry.connect(registry.register())
    registry.now += timedelta(minutes=5)
    registry.write(ends=(make_end(module, registry, reason=OfflineReason.NODE_LOST),))
    registry.now += timedelta(minutes=1)
    again = registry.claim(
        module,
        id=module.session.id,
        connected_at=module.session.connected_at,
        held_epoch=module.epoch,
    )
    registry.write(again, held={module.session.id})
    stored = registry.read(module)
    assert stored.session.connected_at == module.session.connected_at
    assert stored.last_login_time == module.last_login_time
    assert stored.state_since == registry.now
    online = registry.store.events.find(subject=module_subject(module.module_hash))[-1]
    assert (online.what, online.at) == ("online", registry.now)


def test_a_socket_is_not_bound_again_over_a_later_session(registry: Registry) -> None:
    old = registry.connect(registry.register())
    new = registry.connect(old, node=OTHER)
    again = registry.claim(old, id=old.session.id, held_epoch=old.epoch)
    (outcome,) = registry.write(again, held={old.session.id})
    assert outcome.decision is Decision.SUPERSEDED
    assert registry.read(old) == new


def test_an_expired_socket_is_not_bound_again(registry: Registry) -> None:
    module = registry.connect(registry.register())
    expire_modules(registry.store, [module], registry.now, ACTOR)
    again = registry.claim(module, id=module.session.id, held_epoch=module.epoch)
    (outcome,) = registry.write(again, held={module.session.id})
    assert outcome.decision is Decision.SUPERSEDED
    assert registry.read(module).session is None


def test_binding_again_on_a_new_node_keeps_the_session_and_is_no_takeover(
    registry: Registry,
) -> None:
    module = registry.connect(registry.register())
    again = registry.claim(module, id=module.session.id, node=OTHER, held_epoch=module.epoch)
    (outcome,) = registry.write(again, node=OTHER, held={module.session.id})
    stored = registry.read(module)
    assert outcome.decision is Decision.ACCEPTED
    assert (stored.session.node, stored.takeovers) == (OTHER, ())
    assert ("offline", "replaced") not in registry.happened(module)


def test_an_end_takes_the_module_offline_for_its_reason(registry: Registry) -> None:
    module = registry.connect(registry.register())
    registry.now += timedelta(seconds=5)
    assert registry.write(ends=(make_end(module, registry),)) == []
    stored = registry.read(module)
    assert (stored.session, stored.offline_reason) == (None, OfflineReason.BYE)
    assert stored.state_since == registry.now
    event = registry.store.events.find(subject=module_subject(module.module_hash))[-1]
    assert (event.reason, event.detail["peer"]) == ("bye", module.session.peer)


def test_an_end_leaves_its_detail_until_the_next_start(registry: Registry) -> None:
    module = registry.connect(registry.register())
    said = {"close_code": 1000, "bye_reason": "maintenance", "back_by": "2026-03-01T13:00Z"}
    assert module.offline_detail is None
    registry.write(ends=(make_end(module, registry, detail=said),))
    assert registry.read(module).offline_detail == said
    event = registry.store.events.find(subject=module_subject(module.module_hash))[-1]
    assert said.items() <= event.detail.items()
    again = registry.connect(module)
    assert again.offline_detail is None
    registry.write(ends=(make_end(again, registry),))
    assert registry.read(module).offline_detail is None


def test_a_late_end_changes_nothing(registry: Registry) -> None:
    old = registry.connect(registry.register())
    new = registry.connect(old, node=OTHER)
    registry.write(ends=(make_end(old, registry, reason=OfflineReason.CONNECTION_LOST),))
    assert registry.read(old) == new


def test_a_doubtful_end_of_a_session_that_was_written_is_recorded_with_its_start(
    registry: Registry,
) -> None:
    module = registry.connect(registry.register())
    registry.write(ends=(make_end(module, registry, is_doubtful=True, epoch=0),))
    assert registry.read(module).session is None
    assert registry.happened(module)[-2:] == [("online", None), ("offline", "bye")]


def test_an_end_that_a_claim_of_the_batch_overwrites_is_recorded(registry: Registry) -> None:
    module = registry.connect(registry.register())
    view_end = make_end(module, registry, reason=OfflineReason.HEARTBEAT_TIMEOUT)
    registry.write(registry.claim(module), superfluous=(view_end,))
    assert registry.happened(module)[-2:] == [("offline", "heartbeat_timeout"), ("online", None)]


def test_one_batch_may_carry_every_fate(registry: Registry) -> None:
    new, leaving, taken = (registry.register(name) for name in ("new", "leaving", "taken"))
    disabled, neighbour = (
        registry.register("disabled"),
        registry.connect(registry.register("neighbour")),
    )
    leaving, taken = registry.connect(leaving), registry.connect(taken, node=OTHER)
    set_enabled(registry.store, disabled.module_hash, registry.now, ACTOR, enabled=False)
    claims = [registry.claim(module) for module in (new, taken, disabled)]
    outcomes = registry.write(*claims, ends=(make_end(leaving, registry),))
    assert [outcome.claim for outcome in outcomes] == claims
    assert [o.decision for o in outcomes] == [
        Decision.ACCEPTED,
        Decision.ACCEPTED,
        Decision.DISABLED,
    ]
    assert registry.read(leaving).session is None
    assert registry.read(taken).session == claims[1].session
    assert registry.read(neighbour) == neighbour


def test_a_late_end_in_a_batch_does_not_disturb_its_claims(registry: Registry) -> None:
    left = registry.connect(registry.register("left"))
    registry.write(ends=(make_end(left, registry),))
    new = registry.register("new")
    (outcome,) = registry.write(registry.claim(new), ends=(make_end(left, registry),))
    assert outcome.decision is Decision.ACCEPTED


def test_a_batch_of_nothing_writes_nothing(registry: Registry) -> None:
    before = registry.store.counters.read()
    assert registry.write() == []
    assert registry.store.counters.read() == before


def test_a_refused_claim_is_no_change_of_the_registry(registry: Registry) -> None:
    module = registry.register()
    set_enabled(registry.store, module.module_hash, registry.now, ACTOR, enabled=False)
    before = registry.store.counters.read()
    registry.write(registry.claim(module))
    assert registry.store.counters.read() == before


@pytest.mark.parametrize("calls_survived", [2, 3])
def test_an_overwritten_session_ended_for_its_true_reason_wherever_its_writer_was_killed(
    registry: Registry, calls_survived: int
) -> None:
    module = registry.connect(registry.register(), node=OTHER)
    lost_at = registry.store.nodes.get(OTHER).lease_until
    registry.now += timedelta(hours=3)
    registry.store.nodes.declare_dead(OTHER, 1, registry.now)
    killed = Registry(store=KilledStore(registry.store, calls_survived), now=registry.now)
    claim = registry.claim(module)
    with pytest.raises(KeyboardInterrupt):
        killed.write(claim)
    stored = registry.read(module)
    registry.write(ends=(make_end(stored, registry, is_doubtful=True, epoch=0),))
    events = registry.store.events.find(subject=module_subject(module.module_hash))
    ends = [(event.reason, event.at) for event in events if event.what == "offline"]
    assert ends == [("node_lost", lost_at), ("bye", registry.now)]


def test_a_process_killed_after_the_write_leaves_a_session_that_others_can_end(
    registry: Registry,
) -> None:
    """The events and commands that would have followed are lost; the session itself is whole."""
    module = registry.register()
    record = registry.store.events.record

    def die(events: list[Event]) -> None:
        if events:
            raise KeyboardInterrupt

    registry.store.events.record = die
    claim = registry.claim(module)
    with pytest.raises(KeyboardInterrupt):
        registry.write(claim)
    registry.store.events.record = record
    assert registry.read(module).session == claim.session
    assert registry.connect(module, id=SessionId("next")).session.id == "next"
