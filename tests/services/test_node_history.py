"""What the history says of nodes, and of the sessions that they lost."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.closing import OfflineReason
from shared.domain.event import module_subject, node_subject
from shared.domain.ids import NodeId
from shared.domain.module import Module
from shared.domain.presence import Presence
from shared.services.module_listing import get_module, list_all
from shared.services.nodes import (
    announce_retirement,
    declare_node_dead,
    enrol_node,
    replace_predecessors,
    retire_node,
    sweep,
    sweep_orphans,
)
from tests.support.builders import NODE, RULES, make_node
from tests.support.killed_store import KilledStore
from tests.support.registry import Registry

OTHER = NodeId("host-b:10090:1")
HOURS = timedelta(hours=3)


def presence(registry: Registry, module: Module) -> Presence:
    return get_module(registry.store, module.module_hash, RULES, registry.now).presence


def sweep_all(registry: Registry) -> None:
    while sweep(registry.store, registry.now):
        pass


def happened_to(registry: Registry, node: NodeId) -> list[tuple[str, str | None]]:
    events = registry.store.events.find(subject=node_subject(node))
    return [(event.what, event.reason) for event in events]


def test_a_lost_nodes_modules_went_offline_when_its_lease_ended(registry: Registry) -> None:
    node = registry.enrol()
    module = registry.connect(registry.register())
    registry.now += HOURS
    assert declare_node_dead(registry.store, node, registry.now)
    sweep_all(registry)
    stored = registry.read(module)
    assert (stored.offline_reason, stored.state_since) == ("node_lost", node.lease_until)
    offline = registry.store.events.find(subject=module_subject(module.module_hash))[-1]
    assert (offline.reason, offline.at) == ("node_lost", node.lease_until)


def test_a_session_that_began_after_its_nodes_lease_ended_no_earlier_than_it_began(
    registry: Registry,
) -> None:
    node = registry.enrol(lease_seconds=-10)
    module = registry.connect(registry.register())
    declare_node_dead(registry.store, node, registry.now)
    sweep_all(registry)
    assert registry.read(module).state_since == module.session.connected_at


@pytest.mark.parametrize("reason", [OfflineReason.NODE_LOST, OfflineReason.PLATFORM_RESTART])
def test_readers_say_before_a_sweep_what_is_written_by_it(
    registry: Registry, reason: OfflineReason
) -> None:
    node = registry.enrol(offline_reason=reason)
    modules = [registry.connect(registry.register(f"module-{n}")) for n in range(2)]
    registry.now += timedelta(seconds=5)
    registry.store.nodes.retire(NODE, reason, registry.now)
    registry.now += HOURS
    before = [presence(registry, module) for module in modules]
    listed = list_all(registry.store, RULES, registry.now).modules
    sweep_all(registry)
    assert [presence(registry, module) for module in modules] == before
    assert [item.presence for item in listed] == before
    assert {(told.reason, told.since) for told in before} == {
        (reason, node.started_at + timedelta(seconds=5))
    }


def test_readers_date_a_lost_node_by_its_lease_before_any_node_declared_it_dead(
    registry: Registry,
) -> None:
    node = registry.enrol()
    module = registry.connect(registry.register())
    registry.now += HOURS
    seen = presence(registry, module)
    assert (seen.reason, seen.since) == ("node_lost", node.lease_until)


def test_a_module_that_returns_before_the_sweep_was_offline_since_the_lease_ended(
    registry: Registry,
) -> None:
    node = registry.enrol()
    module = registry.connect(registry.register())
    registry.now += HOURS
    registry.enrol(OTHER)
    registry.connect(module, node=OTHER)
    events = registry.store.events.find(subject=module_subject(module.module_hash))
    assert [(e.what, e.reason, e.at) for e in events[-2:]] == [
        ("offline", "node_lost", node.lease_until),
        ("online", None, registry.now),
    ]


@pytest.mark.parametrize("calls_survived", range(4))
def test_a_session_whose_writer_was_killed_is_swept_with_a_whole_history(
    registry: Registry, calls_survived: int
) -> None:
    node = registry.enrol()
    module = registry.register()
    killed = Registry(store=KilledStore(registry.store, calls_survived), now=registry.now)
    with pytest.raises(KeyboardInterrupt):
        killed.write(killed.claim(module))
    was_written = registry.read(module).session is not None
    registry.now += HOURS
    declare_node_dead(registry.store, node, registry.now)
    sweep_all(registry)
    whole = [("online", None), ("offline", "node_lost")] if was_written else []
    assert registry.happened(module) == [("registered", None), *whole]
    assert registry.read(module).session is None


def test_an_orphaned_session_has_a_whole_history(registry: Registry) -> None:
    node = registry.enrol()
    module = registry.register()
    killed = Registry(store=KilledStore(registry.store, 2), now=registry.now)
    with pytest.raises(KeyboardInterrupt):
        killed.write(killed.claim(module))
    registry.store.nodes.remove(node.id)
    while sweep_orphans(registry.store, registry.now):
        pass
    assert [what for what, _ in registry.happened(module)] == ["registered", "online", "offline"]


def test_a_node_is_enrolled_and_lost(registry: Registry) -> None:
    node = registry.enrol()
    registry.now += HOURS
    assert declare_node_dead(registry.store, node, registry.now)
    assert not declare_node_dead(registry.store, node, registry.now)
    sweep_all(registry)
    assert happened_to(registry, NODE) == [("enrolled", None), ("lost", "node_lost")]
    lost = registry.store.events.find(subject=node_subject(NODE))[-1]
    assert (lost.at, lost.actor) == (node.lease_until, "platform")


def test_a_node_that_a_successor_declares_dead_is_lost(registry: Registry) -> None:
    registry.enrol()
    successor = make_node(id=NodeId("host-a:10090:2"))
    registry.now += timedelta(seconds=3)
    enrol_node(registry.store, successor, registry.now)
    replace_predecessors(registry.store, successor, registry.now)
    sweep_all(registry)
    assert happened_to(registry, NODE) == [("enrolled", None), ("lost", "node_lost")]
    assert happened_to(registry, successor.id) == [("enrolled", None)]
    assert registry.store.events.find(subject=node_subject(NODE))[-1].at == registry.now


def test_a_node_that_retires_is_not_lost(registry: Registry) -> None:
    node = registry.enrol(offline_reason=OfflineReason.PLATFORM_RESTART)
    registry.connect(registry.register())
    announce_retirement(registry.store, node, registry.now)
    while retire_node(registry.store, node, registry.now):
        pass
    assert happened_to(registry, NODE) == [("enrolled", None), ("retired", "platform_restart")]


def test_a_node_that_was_declared_dead_does_not_retire_afterwards(registry: Registry) -> None:
    """A sweep may have ended some of its sessions as lost: the others are told alike."""
    node = registry.enrol()
    module = registry.connect(registry.register())
    assert declare_node_dead(registry.store, node, registry.now)
    retiring = replace(node, offline_reason=OfflineReason.PLATFORM_RESTART)
    announce_retirement(registry.store, retiring, registry.now)
    while retire_node(registry.store, retiring, registry.now):
        pass
    assert registry.read(module).offline_reason == "node_lost"
    assert happened_to(registry, NODE) == [("enrolled", None), ("lost", "node_lost")]


def test_a_process_killed_just_after_it_declared_a_node_dead_leaves_the_event_to_the_sweep(
    registry: Registry,
) -> None:
    node = registry.enrol()
    with pytest.raises(KeyboardInterrupt):
        declare_node_dead(KilledStore(registry.store, 1), node, registry.now)
    assert happened_to(registry, NODE) == [("enrolled", None)]
    sweep_all(registry)
    assert happened_to(registry, NODE) == [("enrolled", None), ("lost", "node_lost")]
