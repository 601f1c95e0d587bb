"""Batches of sessions: every verdict, every guard, and what is recorded about them."""

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.close_codes import CloseCode
from shared.domain.event import Event
from shared.domain.module import Module, NodeId, OfflineReason, SessionId
from shared.domain.order import OrderKind
from shared.domain.session import SessionEnd, Verdict
from shared.services.operating import expire_modules, set_enabled
from tests.builders import NODE
from tests.fleet import Fleet

OTHER = NodeId("host-b:10090:1")


@pytest.fixture(autouse=True)
def nodes(fleet: Fleet) -> None:
    fleet.enrol()
    fleet.enrol(OTHER)


def make_end(module: Module, fleet: Fleet, **overrides: Any) -> SessionEnd:
    assert module.session is not None
    values = {
        "module_hash": module.module_hash,
        "session_id": module.session.id,
        "epoch": module.epoch,
        "reason": OfflineReason.BYE,
        "at": fleet.now,
        "peer": module.session.peer,
    }
    return SessionEnd(**values | overrides)


def before_the_write(fleet: Fleet, interfere) -> None:
    """Let somebody else write between this batch's read and its write."""
    modules = fleet.store.modules
    write = modules.write_sessions

    def write_late(*arguments: Any) -> int:
        modules.write_sessions = write
        interfere()
        return write(*arguments)

    modules.write_sessions = write_late


def test_a_claim_binds_a_registered_module(fleet: Fleet) -> None:
    module = fleet.register()
    claim = fleet.claim(module)
    (outcome,) = fleet.write(claim)
    stored = fleet.read(module)
    assert (outcome.verdict, outcome.epoch, outcome.previous) == (Verdict.BOUND, 1, None)
    assert (stored.session, stored.epoch) == (claim.session, 1)
    assert (stored.state_since, stored.last_login_time) == (fleet.now, fleet.now)
    assert fleet.happened(module)[-1] == ("online", None)


def test_a_claim_for_nobody_is_answered_so(fleet: Fleet) -> None:
    module = fleet.register()
    fleet.store.modules.delete(module.module_hash)
    (outcome,) = fleet.write(fleet.claim(module))
    assert outcome.verdict is Verdict.UNKNOWN_MODULE
    assert fleet.store.modules.is_empty()


def test_a_disabled_module_is_not_bound(fleet: Fleet) -> None:
    module = fleet.register()
    set_enabled(fleet.store, module.module_hash, fleet.now, enabled=False)
    (outcome,) = fleet.write(fleet.claim(module))
    assert outcome.verdict is Verdict.DISABLED
    assert fleet.read(module).session is None


def test_a_module_that_is_disabled_at_the_last_moment_is_not_bound(fleet: Fleet) -> None:
    module = fleet.register()
    before_the_write(
        fleet,
        lambda: set_enabled(fleet.store, module.module_hash, fleet.now, enabled=False),
    )
    (outcome,) = fleet.write(fleet.claim(module))
    assert outcome.verdict is Verdict.OUTRUN
    assert fleet.read(module).session is None


def test_a_module_that_is_deleted_at_the_last_moment_is_not_bound(fleet: Fleet) -> None:
    module = fleet.register()
    before_the_write(fleet, lambda: fleet.store.modules.delete(module.module_hash))
    (outcome,) = fleet.write(fleet.claim(module))
    assert outcome.verdict is Verdict.OUTRUN
    assert fleet.store.modules.is_empty()


def test_who_is_outrun_by_another_writer_has_no_session_and_no_event(fleet: Fleet) -> None:
    module, neighbour = fleet.register(), fleet.register("neighbour")
    before_the_write(fleet, lambda: fleet.connect(module, node=OTHER, id="winner"))
    outran, bound = fleet.write(fleet.claim(module), fleet.claim(neighbour))
    assert (outran.verdict, bound.verdict) == (Verdict.OUTRUN, Verdict.BOUND)
    stored = fleet.read(module)
    assert (stored.session.id, stored.epoch) == ("winner", 1)
    assert fleet.happened(module) == [("registered", None), ("online", None)]
    assert fleet.store.orders.read(OTHER) == []


def test_who_was_outrun_wins_by_claiming_again(fleet: Fleet) -> None:
    module = fleet.register()
    claim = fleet.claim(module)
    before_the_write(fleet, lambda: fleet.connect(module, node=OTHER))
    fleet.write(claim)
    (outcome,) = fleet.write(claim)
    assert outcome.verdict is Verdict.BOUND
    assert fleet.read(module).session == claim.session


def test_a_takeover_on_another_node_is_ordered_there(fleet: Fleet) -> None:
    module = fleet.connect(fleet.register(), node=OTHER)
    claim = fleet.claim(module)
    (outcome,) = fleet.write(claim)
    assert (outcome.verdict, outcome.epoch) == (Verdict.BOUND, 2)
    assert outcome.previous == module.session
    (order,) = fleet.store.orders.read(OTHER)
    assert (order.session, order.kind) == (module.session.id, OrderKind.CLOSE)
    assert (order.close_code, order.reason) == (CloseCode.REPLACED, OfflineReason.REPLACED)
    assert fleet.happened(module)[-2:] == [("offline", "replaced"), ("online", None)]


def test_a_takeover_on_the_same_node_needs_no_order(fleet: Fleet) -> None:
    module = fleet.connect(fleet.register())
    fleet.write(fleet.claim(module), held={module.session.id})
    assert fleet.store.orders.read(NODE) == []
    assert fleet.happened(module)[-2] == ("offline", "replaced")
    assert fleet.read(module).takeovers == (fleet.now,)


def test_a_session_whose_socket_is_gone_was_lost_and_not_replaced(fleet: Fleet) -> None:
    module = fleet.connect(fleet.register())
    fleet.write(fleet.claim(module))
    assert fleet.happened(module)[-2] == ("offline", "connection_lost")
    assert fleet.read(module).takeovers == ()


@pytest.mark.parametrize("fate", ["lease ran out", "declared dead", "gone"])
def test_a_session_of_a_dead_node_was_lost_with_it(fleet: Fleet, fate: str) -> None:
    module = fleet.connect(fleet.register(), node=OTHER)
    if fate == "lease ran out":
        fleet.store.nodes.renew(OTHER, fleet.now - timedelta(seconds=3), sessions=1)
    elif fate == "declared dead":
        fleet.store.nodes.declare_dead(OTHER, 1)
    else:
        fleet.store.nodes.remove(OTHER)
    fleet.write(fleet.claim(module))
    assert fleet.happened(module)[-2] == ("offline", "node_lost")
    assert fleet.read(module).takeovers == ()
    assert fleet.store.orders.read(OTHER) == []


def test_a_session_of_a_stopping_node_ended_with_its_restart(fleet: Fleet) -> None:
    module = fleet.connect(fleet.register(), node=OTHER)
    fleet.store.nodes.retire(OTHER, OfflineReason.PLATFORM_RESTART)
    fleet.write(fleet.claim(module))
    assert fleet.happened(module)[-2] == ("offline", "platform_restart")


def take_over(fleet: Fleet, module: Module, times: int) -> None:
    """Let the two nodes take a module from each other, two seconds apart."""
    for number in range(times):
        fleet.now += timedelta(seconds=2)
        fleet.connect(module, node=(NODE, OTHER)[number % 2])


def test_the_fourth_takeover_within_a_minute_is_a_loop(fleet: Fleet) -> None:
    module = fleet.connect(fleet.register(), node=OTHER)
    take_over(fleet, module, 3)
    incumbent = fleet.read(module)
    (outcome,) = fleet.write(fleet.claim(module, node=OTHER), node=OTHER)
    assert outcome.verdict is Verdict.LOOPING
    assert outcome.previous == incumbent.session
    assert fleet.read(module) == incumbent


def test_a_loop_is_broken_when_the_incumbent_did_not_answer(fleet: Fleet) -> None:
    module = fleet.connect(fleet.register(), node=OTHER)
    take_over(fleet, module, 3)
    (outcome,) = fleet.write(fleet.claim(module, node=OTHER, confirmed=True), node=OTHER)
    assert outcome.verdict is Verdict.BOUND


def test_a_minute_later_a_takeover_is_no_loop(fleet: Fleet) -> None:
    module = fleet.connect(fleet.register(), node=OTHER)
    take_over(fleet, module, 3)
    fleet.now += timedelta(seconds=61)
    for node in (NODE, OTHER):
        fleet.store.nodes.renew(node, fleet.now, sessions=0)
    (outcome,) = fleet.write(fleet.claim(module, node=OTHER), node=OTHER)
    assert outcome.verdict is Verdict.BOUND


def test_a_crashing_program_that_comes_back_is_no_loop(fleet: Fleet) -> None:
    """Its old sockets are gone: however often it comes, nobody is thrown out."""
    module = fleet.register()
    for _ in range(20):
        fleet.connect(module)


def test_a_socket_that_the_database_forgot_is_bound_again(fleet: Fleet) -> None:
    module = fleet.connect(fleet.register())
    fleet.write(ends=(make_end(module, fleet, reason=OfflineReason.NODE_LOST),))
    again = fleet.claim(module, id=module.session.id, floor_epoch=module.epoch)
    (outcome,) = fleet.write(again, held={module.session.id})
    assert (outcome.verdict, outcome.epoch) == (Verdict.BOUND, module.epoch + 1)
    assert fleet.read(module).session.id == module.session.id


def test_a_socket_is_not_bound_again_over_a_later_session(fleet: Fleet) -> None:
    old = fleet.connect(fleet.register())
    new = fleet.connect(old, node=OTHER)
    again = fleet.claim(old, id=old.session.id, floor_epoch=old.epoch)
    (outcome,) = fleet.write(again, held={old.session.id})
    assert outcome.verdict is Verdict.SUPERSEDED
    assert fleet.read(old) == new


def test_an_expired_socket_is_not_bound_again(fleet: Fleet) -> None:
    module = fleet.connect(fleet.register())
    expire_modules(fleet.store, [module], fleet.now)
    again = fleet.claim(module, id=module.session.id, floor_epoch=module.epoch)
    (outcome,) = fleet.write(again, held={module.session.id})
    assert outcome.verdict is Verdict.SUPERSEDED
    assert fleet.read(module).session is None


def test_binding_again_on_a_new_node_keeps_the_session_and_is_no_takeover(fleet: Fleet) -> None:
    module = fleet.connect(fleet.register())
    again = fleet.claim(module, id=module.session.id, node=OTHER, floor_epoch=module.epoch)
    (outcome,) = fleet.write(again, node=OTHER, held={module.session.id})
    stored = fleet.read(module)
    assert outcome.verdict is Verdict.BOUND
    assert (stored.session.node, stored.takeovers) == (OTHER, ())
    assert ("offline", "replaced") not in fleet.happened(module)


def test_an_end_takes_the_module_offline_for_its_reason(fleet: Fleet) -> None:
    module = fleet.connect(fleet.register())
    fleet.now += timedelta(seconds=5)
    assert fleet.write(ends=(make_end(module, fleet),)) == []
    stored = fleet.read(module)
    assert (stored.session, stored.offline_reason) == (None, OfflineReason.BYE)
    assert stored.state_since == fleet.now
    event = fleet.store.events.find(module_hash=module.module_hash)[-1]
    assert (event.reason, event.detail["peer"]) == ("bye", module.session.peer)


def test_a_late_end_changes_nothing(fleet: Fleet) -> None:
    old = fleet.connect(fleet.register())
    new = fleet.connect(old, node=OTHER)
    fleet.write(ends=(make_end(old, fleet, reason=OfflineReason.CONNECTION_LOST),))
    assert fleet.read(old) == new


def test_the_end_of_a_claim_that_may_not_have_landed_leaves_no_event(fleet: Fleet) -> None:
    module = fleet.connect(fleet.register())
    fleet.write(ends=(make_end(module, fleet, is_certain=False),))
    assert fleet.read(module).session is None
    assert fleet.happened(module)[-1] == ("online", None)


def test_an_end_that_a_claim_of_the_batch_overwrites_is_recorded(fleet: Fleet) -> None:
    module = fleet.connect(fleet.register())
    view_end = make_end(module, fleet, reason=OfflineReason.HEARTBEAT_TIMEOUT)
    fleet.write(fleet.claim(module), replaced=(view_end,))
    assert fleet.happened(module)[-2:] == [("offline", "heartbeat_timeout"), ("online", None)]


def test_one_batch_may_carry_every_fate(fleet: Fleet) -> None:
    new, leaving, taken = (fleet.register(name) for name in ("new", "leaving", "taken"))
    disabled, neighbour = fleet.register("disabled"), fleet.connect(fleet.register("neighbour"))
    leaving, taken = fleet.connect(leaving), fleet.connect(taken, node=OTHER)
    set_enabled(fleet.store, disabled.module_hash, fleet.now, enabled=False)
    claims = [fleet.claim(module) for module in (new, taken, disabled)]
    outcomes = fleet.write(*claims, ends=(make_end(leaving, fleet),))
    assert [outcome.claim for outcome in outcomes] == claims
    assert [o.verdict for o in outcomes] == [Verdict.BOUND, Verdict.BOUND, Verdict.DISABLED]
    assert fleet.read(leaving).session is None
    assert fleet.read(taken).session == claims[1].session
    assert fleet.read(neighbour) == neighbour


def test_a_late_end_in_a_batch_does_not_disturb_its_claims(fleet: Fleet) -> None:
    left = fleet.connect(fleet.register("left"))
    fleet.write(ends=(make_end(left, fleet),))
    new = fleet.register("new")
    (outcome,) = fleet.write(fleet.claim(new), ends=(make_end(left, fleet),))
    assert outcome.verdict is Verdict.BOUND


def test_a_batch_of_nothing_writes_nothing(fleet: Fleet) -> None:
    before = fleet.store.counters.read()
    assert fleet.write() == []
    assert fleet.store.counters.read() == before


def test_a_refused_claim_is_no_change_of_the_registry(fleet: Fleet) -> None:
    module = fleet.register()
    set_enabled(fleet.store, module.module_hash, fleet.now, enabled=False)
    before = fleet.store.counters.read()
    fleet.write(fleet.claim(module))
    assert fleet.store.counters.read() == before


def test_who_is_killed_after_the_write_leaves_a_session_that_others_can_end(fleet: Fleet) -> None:
    """The events and orders that would have followed are lost; the session itself is whole."""
    module = fleet.register()
    record = fleet.store.events.record

    def die(events: list[Event]) -> None:
        if events:
            raise KeyboardInterrupt

    fleet.store.events.record = die
    claim = fleet.claim(module)
    with pytest.raises(KeyboardInterrupt):
        fleet.write(claim)
    fleet.store.events.record = record
    assert fleet.read(module).session == claim.session
    assert fleet.connect(module, id=SessionId("next")).session.id == "next"
