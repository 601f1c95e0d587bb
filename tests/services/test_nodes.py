"""The life of a node, and how the modules of a dead one are taken offline."""

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.module import Module, NodeId, OfflineReason
from shared.domain.order import Order
from shared.services import nodes
from shared.services.nodes import enrol_node, retire_node, sweep
from shared.store import Store
from tests.builders import NODE, NOON, make_node
from tests.fleet import Fleet

OTHER = NodeId("host-b:10090:1")


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices of two modules, two slices a sweep: more than one of each in a small test."""
    monkeypatch.setattr(nodes, "SWEEP_SLICE", 2)
    monkeypatch.setattr(nodes, "SLICES_PER_SWEEP", 2)


class KilledStore:
    """A store whose user is killed at one of the calls that write."""

    def __init__(self, store: Store, calls_survived: int) -> None:
        self._left = calls_survived
        self.modules = Killed(store.modules, self)
        self.events = Killed(store.events, self)
        self.counters = Killed(store.counters, self)
        self.orders = Killed(store.orders, self)
        self.nodes = Killed(store.nodes, self)

    def count_write(self) -> None:
        """Let one write through, or die instead of it."""
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1


class Killed:
    """One collection of such a store."""

    WRITES = ("record", "write_sessions", "note_registry_change", "remove_of_node", "remove")

    def __init__(self, collection: Any, store: KilledStore) -> None:
        self._collection = collection
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if name in self.WRITES:
            self._store.count_write()
        return getattr(self._collection, name)


def connect_many(fleet: Fleet, count: int, node: NodeId = NODE) -> list[Module]:
    return [fleet.connect(fleet.register(f"{node}-{n}"), node=node) for n in range(count)]


def declare_dead(fleet: Fleet, node: NodeId = NODE, beat: int = 1) -> None:
    assert fleet.store.nodes.declare_dead(node, beat)


def sweep_all(fleet: Fleet) -> None:
    """Sweep until nothing is left."""
    for _ in range(50):
        if not sweep(fleet.store, fleet.now):
            return
    raise AssertionError("The sweep never ends.")


def offline_reasons(fleet: Fleet, modules: list[Module]) -> list[OfflineReason | None]:
    stored = [fleet.read(module) for module in modules]
    return [None if module.session else module.offline_reason for module in stored]


def test_living_nodes_are_left_alone(fleet: Fleet) -> None:
    fleet.enrol()
    modules = connect_many(fleet, 3)
    assert not sweep(fleet.store, fleet.now)
    assert [fleet.read(module) for module in modules] == modules


def test_a_lease_that_ran_out_is_no_death(fleet: Fleet) -> None:
    """Only who saw the beat stand still may judge: this reader's clock may be wrong."""
    fleet.enrol(lease_seconds=-3600)
    modules = connect_many(fleet, 1)
    assert not sweep(fleet.store, fleet.now)
    assert [fleet.read(module) for module in modules] == modules


def test_a_dead_nodes_modules_go_offline_in_slices_and_its_document_last(fleet: Fleet) -> None:
    fleet.enrol()
    modules = connect_many(fleet, 5)
    declare_dead(fleet)
    assert sweep(fleet.store, fleet.now)
    assert len(fleet.store.modules.connected()) == 1
    assert [node.id for node in fleet.store.nodes.all()] == [NODE]
    sweep_all(fleet)
    assert offline_reasons(fleet, modules) == [OfflineReason.NODE_LOST] * 5
    assert fleet.store.nodes.all() == []


def test_several_dead_nodes_and_orphans_are_one_piece_of_work(fleet: Fleet) -> None:
    fleet.enrol()
    fleet.enrol(OTHER)
    for node in (NODE, OTHER, NodeId("host-c:10090:1")):
        connect_many(fleet, 3, node=node)
    declare_dead(fleet)
    declare_dead(fleet, OTHER)
    sweep_all(fleet)
    assert fleet.store.modules.connected() == []
    assert fleet.store.nodes.all() == []


def test_every_module_of_a_dead_node_has_its_event(fleet: Fleet) -> None:
    fleet.enrol()
    modules = connect_many(fleet, 3)
    declare_dead(fleet)
    sweep_all(fleet)
    for module in modules:
        assert fleet.happened(module)[-1] == ("offline", "node_lost")


def test_the_modules_of_a_living_node_survive_their_neighbours_death(fleet: Fleet) -> None:
    fleet.enrol()
    fleet.enrol(OTHER)
    connect_many(fleet, 3)
    charlie = connect_many(fleet, 1, node=OTHER)
    declare_dead(fleet)
    sweep_all(fleet)
    assert fleet.store.modules.connected() == charlie
    assert [node.id for node in fleet.store.nodes.all()] == [OTHER]


def test_who_reconnects_during_a_sweep_stays_online(fleet: Fleet) -> None:
    fleet.enrol()
    fleet.enrol(OTHER)
    (module,) = connect_many(fleet, 1)
    declare_dead(fleet)
    read = fleet.store.modules.sessions_of

    def reconnect_after_the_read(node: NodeId) -> list[Any]:
        records = read(node)
        fleet.store.modules.sessions_of = read
        fleet.connect(module, node=OTHER)
        return records

    fleet.store.modules.sessions_of = reconnect_after_the_read
    sweep(fleet.store, fleet.now)
    assert fleet.read(module).session.node == OTHER


@pytest.mark.parametrize("calls_survived", range(11))
def test_a_sweeper_that_is_killed_anywhere_leaves_the_work_to_the_next(
    fleet: Fleet, calls_survived: int
) -> None:
    fleet.enrol()
    modules = connect_many(fleet, 5)
    declare_dead(fleet)
    killed = KilledStore(fleet.store, calls_survived)
    with pytest.raises(KeyboardInterrupt):
        while sweep(killed, fleet.now):
            pass
    sweep_all(fleet)
    assert fleet.store.nodes.all() == []
    assert offline_reasons(fleet, modules) == [OfflineReason.NODE_LOST] * 5
    for module in modules:
        assert fleet.happened(module).count(("offline", "node_lost")) == 1


def test_orders_of_a_dead_node_go_with_it(fleet: Fleet) -> None:
    fleet.enrol()
    (module,) = connect_many(fleet, 1)
    fleet.store.orders.give(
        [
            Order(
                session=module.session.id,
                node=NODE,
                module_hash=module.module_hash,
                created_at=NOON,
            )
        ]
    )
    declare_dead(fleet)
    sweep_all(fleet)
    assert fleet.store.orders.read(NODE) == []


def test_sessions_of_a_node_without_a_document_are_swept(fleet: Fleet) -> None:
    fleet.enrol(OTHER)
    orphans = connect_many(fleet, 5)
    charlie = connect_many(fleet, 1, node=OTHER)
    sweep_all(fleet)
    assert offline_reasons(fleet, orphans) == [OfflineReason.NODE_LOST] * 5
    assert fleet.store.modules.connected() == charlie


def test_a_node_that_enrols_during_the_search_has_no_orphans(fleet: Fleet) -> None:
    search = fleet.store.modules.orphaned_sessions

    def enrol_first(known: list[NodeId]) -> list[Any]:
        fleet.enrol()
        connect_many(fleet, 1)
        return search(known)

    fleet.store.modules.orphaned_sessions = enrol_first
    sweep(fleet.store, fleet.now)
    assert len(fleet.store.modules.connected()) == 1


def test_a_node_that_binds_a_port_ends_who_had_it_before(fleet: Fleet) -> None:
    fleet.enrol()
    enrol_node(fleet.store, make_node(id=NodeId("host-a:10090:2")))
    assert {n.id: n.dead for n in fleet.store.nodes.all()} == {NODE: True, "host-a:10090:2": False}


def test_a_node_whose_beat_moved_is_not_declared_dead(fleet: Fleet) -> None:
    fleet.enrol()
    fleet.store.nodes.renew(NODE, fleet.now + timedelta(seconds=20), sessions=0)
    assert not fleet.store.nodes.declare_dead(NODE, beat=1)


def test_a_retiring_node_ends_its_sessions_for_the_restart(fleet: Fleet) -> None:
    node = fleet.enrol(offline_reason=OfflineReason.PLATFORM_RESTART)
    modules = connect_many(fleet, 5)
    while retire_node(fleet.store, node, fleet.now):
        pass
    assert offline_reasons(fleet, modules) == [OfflineReason.PLATFORM_RESTART] * 5
    assert fleet.store.nodes.all() == []


def test_who_sweeps_a_node_that_was_killed_while_retiring_keeps_its_reason(fleet: Fleet) -> None:
    node = fleet.enrol(offline_reason=OfflineReason.PLATFORM_RESTART)
    modules = connect_many(fleet, 5)
    assert retire_node(fleet.store, node, fleet.now)
    sweep_all(fleet)
    assert offline_reasons(fleet, modules) == [OfflineReason.PLATFORM_RESTART] * 5


def test_who_retires_is_not_online_from_its_first_step_on(fleet: Fleet) -> None:
    node = fleet.enrol(offline_reason=OfflineReason.PLATFORM_RESTART)
    connect_many(fleet, 5)
    retire_node(fleet.store, node, fleet.now)
    assert [n.dead for n in fleet.store.nodes.all()] == [True]
