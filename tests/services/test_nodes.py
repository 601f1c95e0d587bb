"""The life of a node, and how the modules of a dead one are taken offline."""

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.closing import OfflineReason
from shared.domain.ids import NodeId
from shared.domain.module import Module
from shared.services import nodes
from shared.services.nodes import (
    announce_retirement,
    declare_node_dead,
    enrol_node,
    replace_predecessors,
    retire_node,
    sweep,
    sweep_orphans,
)
from shared.settings import Settings
from shared.store import connect
from tests.support.builders import NODE, make_node
from tests.support.command_log import CommandLog
from tests.support.killed_store import KilledStore
from tests.support.registry import Registry

OTHER = NodeId("host-b:10090:1")


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices of two modules, two slices a sweep: more than one of each in a small test."""
    monkeypatch.setattr(nodes, "SWEEP_SLICE", 2)
    monkeypatch.setattr(nodes, "SLICES_PER_SWEEP", 2)


def connect_many(registry: Registry, count: int, node: NodeId = NODE) -> list[Module]:
    return [registry.connect(registry.register(f"{node}-{n}"), node=node) for n in range(count)]


def declare_dead(registry: Registry, node: NodeId = NODE, renewals: int = 1) -> None:
    assert registry.store.nodes.declare_dead(node, renewals, registry.now)


def sweep_all(registry: Registry) -> None:
    """Sweep until nothing is left."""
    for _ in range(50):
        if not sweep(registry.store, registry.now):
            break
    else:
        raise AssertionError("The sweep never ends.")
    for _ in range(50):
        if not sweep_orphans(registry.store, registry.now):
            return
    raise AssertionError("The search for orphans never ends.")


def offline_reasons(registry: Registry, modules: list[Module]) -> list[OfflineReason | None]:
    stored = [registry.read(module) for module in modules]
    return [None if module.session else module.offline_reason for module in stored]


def test_living_nodes_are_left_alone(registry: Registry) -> None:
    registry.enrol()
    modules = connect_many(registry, 3)
    assert not sweep(registry.store, registry.now)
    assert [registry.read(module) for module in modules] == modules


def test_a_lease_that_ran_out_is_no_death(registry: Registry) -> None:
    """Only a node that saw the renewals stand still may judge: this reader's clock may be wrong."""
    registry.enrol(lease_seconds=-3600)
    modules = connect_many(registry, 1)
    assert not sweep(registry.store, registry.now)
    assert [registry.read(module) for module in modules] == modules


def test_a_dead_nodes_modules_go_offline_in_slices_and_its_document_last(
    registry: Registry,
) -> None:
    registry.enrol()
    modules = connect_many(registry, 5)
    declare_dead(registry)
    assert sweep(registry.store, registry.now)
    assert len(registry.store.modules.connected()) == 1
    assert [node.id for node in registry.store.nodes.all()] == [NODE]
    sweep_all(registry)
    assert offline_reasons(registry, modules) == [OfflineReason.NODE_LOST] * 5
    assert registry.store.nodes.all() == []


def test_several_dead_nodes_and_orphans_are_one_piece_of_work(registry: Registry) -> None:
    registry.enrol()
    registry.enrol(OTHER)
    for node in (NODE, OTHER, NodeId("host-c:10090:1")):
        connect_many(registry, 3, node=node)
    declare_dead(registry)
    declare_dead(registry, OTHER)
    sweep_all(registry)
    assert registry.store.modules.connected() == []
    assert registry.store.nodes.all() == []


def test_a_session_without_an_id_holds_up_no_sweep(registry: Registry) -> None:
    registry.enrol()
    registry.enrol(OTHER)
    (broken,), modules = connect_many(registry, 1), connect_many(registry, 3, node=OTHER)
    collection = registry.store.modules._collection
    collection.update_one({"_id": broken.module_hash}, {"$unset": {"session.id": 1}})
    declare_dead(registry)
    declare_dead(registry, OTHER)
    sweep_all(registry)
    assert offline_reasons(registry, modules) == [OfflineReason.NODE_LOST] * 3
    assert [node.id for node in registry.store.nodes.all()] == [NODE]


def test_every_module_of_a_dead_node_has_its_event(registry: Registry) -> None:
    registry.enrol()
    modules = connect_many(registry, 3)
    declare_dead(registry)
    sweep_all(registry)
    for module in modules:
        assert registry.happened(module)[-1] == ("offline", "node_lost")


def test_the_modules_of_a_living_node_survive_their_neighbours_death(registry: Registry) -> None:
    registry.enrol()
    registry.enrol(OTHER)
    connect_many(registry, 3)
    charlie = connect_many(registry, 1, node=OTHER)
    declare_dead(registry)
    sweep_all(registry)
    assert registry.store.modules.connected() == charlie
    assert [node.id for node in registry.store.nodes.all()] == [OTHER]


def test_a_module_that_reconnects_during_a_sweep_stays_online(registry: Registry) -> None:
    registry.enrol()
    registry.enrol(OTHER)
    (module,) = connect_many(registry, 1)
    declare_dead(registry)
    read = registry.store.sessions.of_node

    def reconnect_after_the_read(node: NodeId, limit: int) -> list[Any]:
        records = read(node, limit)
        registry.store.sessions.of_node = read
        registry.connect(module, node=OTHER)
        return records

    registry.store.sessions.of_node = reconnect_after_the_read
    sweep(registry.store, registry.now)
    assert registry.read(module).session.node == OTHER


@pytest.mark.parametrize("calls_survived", range(12))
def test_a_sweeper_that_is_killed_anywhere_leaves_the_work_to_the_next(
    registry: Registry, calls_survived: int
) -> None:
    registry.enrol()
    modules = connect_many(registry, 5)
    declare_dead(registry)
    killed = KilledStore(registry.store, calls_survived)
    with pytest.raises(KeyboardInterrupt):
        while sweep(killed, registry.now):
            pass
    sweep_all(registry)
    assert registry.store.nodes.all() == []
    assert offline_reasons(registry, modules) == [OfflineReason.NODE_LOST] * 5
    for module in modules:
        assert registry.happened(module).count(("offline", "node_lost")) == 1


def test_sessions_of_a_node_without_a_document_are_swept(registry: Registry) -> None:
    registry.enrol(OTHER)
    orphans = connect_many(registry, 5)
    charlie = connect_many(registry, 1, node=OTHER)
    sweep_all(registry)
    assert offline_reasons(registry, orphans) == [OfflineReason.NODE_LOST] * 5
    assert registry.store.modules.connected() == charlie


def test_a_node_that_enrols_during_the_search_has_no_orphans(registry: Registry) -> None:
    search = registry.store.sessions.orphaned

    def enrol_first(known: list[NodeId]) -> list[Any]:
        registry.enrol()
        connect_many(registry, 1)
        return search(known)

    registry.store.sessions.orphaned = enrol_first
    assert not sweep_orphans(registry.store, registry.now)
    assert len(registry.store.modules.connected()) == 1


def test_a_process_that_starts_ends_the_nodes_that_had_its_port(registry: Registry) -> None:
    registry.enrol()
    registry.enrol(OTHER)
    successor = make_node(id=NodeId("host-a:10090:2"))
    enrol_node(registry.store, successor, registry.now)
    replace_predecessors(registry.store, successor, registry.now)
    replace_predecessors(registry.store, successor, registry.now)
    assert {n.id: n.dead for n in registry.store.nodes.all()} == {
        NODE: True,
        OTHER: False,
        successor.id: False,
    }


def test_a_node_that_renewed_is_not_declared_dead(registry: Registry) -> None:
    node = registry.enrol()
    registry.store.nodes.renew(NODE, registry.now + timedelta(seconds=20), sessions=0)
    assert not declare_node_dead(registry.store, node, registry.now)


def test_a_sweep_with_nothing_to_do_reads_nothing_but_the_nodes(
    registry: Registry, settings: Settings
) -> None:
    registry.enrol()
    connect_many(registry, 3)
    sent = CommandLog()
    watched = connect(settings, event_listeners=[sent])
    assert not sweep(watched, registry.now)
    watched.close()
    assert sent.collections() == ["nodes"]


def test_a_retiring_node_ends_its_sessions_for_the_restart(registry: Registry) -> None:
    node = registry.enrol(offline_reason=OfflineReason.PLATFORM_RESTART)
    modules = connect_many(registry, 5)
    announce_retirement(registry.store, node, registry.now)
    while retire_node(registry.store, node, registry.now):
        pass
    assert offline_reasons(registry, modules) == [OfflineReason.PLATFORM_RESTART] * 5
    assert registry.store.nodes.all() == []


def test_the_sweep_of_a_node_that_was_killed_while_retiring_keeps_its_reason(
    registry: Registry,
) -> None:
    node = registry.enrol(offline_reason=OfflineReason.PLATFORM_RESTART)
    modules = connect_many(registry, 5)
    announce_retirement(registry.store, node, registry.now)
    assert retire_node(registry.store, node, registry.now)
    sweep_all(registry)
    assert offline_reasons(registry, modules) == [OfflineReason.PLATFORM_RESTART] * 5


def test_modules_of_a_retiring_node_are_offline_from_its_first_step_on(registry: Registry) -> None:
    node = registry.enrol(offline_reason=OfflineReason.PLATFORM_RESTART)
    connect_many(registry, 5)
    announce_retirement(registry.store, node, registry.now)
    assert [n.dead for n in registry.store.nodes.all()] == [True]
