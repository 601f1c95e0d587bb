"""The lease: enrolled once, renewed, and which nodes a node may declare dead for it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from pymongo.errors import AutoReconnect

from shared.clock import utc_now
from shared.domain.event import node_subject
from shared.domain.ids import NodeId
from shared.domain.node import Node, node_address
from shared.store import Store
from tests.support.builders import make_node
from tests.support.eventually import eventually, throughout
from wsd.lease import LeaseKeeper, LeaseTimes

TIMES = LeaseTimes(lease_seconds=20, renew_seconds=0.02)

Starter = Callable[[str], list[Node]]


@pytest.fixture
def start(store: Store) -> Iterator[Starter]:
    """Start the lease of a process on this machine; return the nodes that it has been."""
    with ExitStack() as stack:
        yield lambda machine: stack.enter_context(keep_lease(store, machine))


@contextmanager
def keep_lease(store: Store, machine: str) -> Iterator[list[Node]]:
    been: list[Node] = []
    keeper = LeaseKeeper(
        store,
        name="host-a:10090",
        address=node_address("host-a", machine, 10090),
        times=TIMES,
        count_sessions=lambda: 0,
        on_enrolled=been.append,
    )
    keeper.start()
    eventually(lambda: keeper.renewed_at)
    yield been
    keeper.stop()


def read(store: Store, node: Node) -> Node:
    found = store.nodes.get(node.id)
    assert found is not None
    return found


def wait_for_renewals(store: Store, nodes: list[Node], count: int = 5) -> None:
    for node in nodes:
        wanted = read(store, node).renewals + count
        eventually(lambda n=node, w=wanted: read(store, n).renewals >= w)


def test_two_machines_of_one_name_and_port_leave_each_other_alone(
    store: Store, start: Starter
) -> None:
    first, second = start("machine-1"), start("machine-2")
    wait_for_renewals(store, [*first, *second])
    assert (len(first), len(second)) == (1, 1)
    assert not any(node.dead for node in store.nodes.all())
    assert store.events.find(reason="node_lost") == []


def test_a_process_that_starts_declares_its_predecessor_dead(store: Store, start: Starter) -> None:
    gone = make_node(id="host-a:10090:1", address=node_address("host-a", "machine-1", 10090))
    store.nodes.enrol(gone)
    start("machine-1")
    assert read(store, gone).dead
    (lost,) = store.events.find(subject=node_subject(gone.id))
    assert (lost.what, lost.reason) == ("lost", "node_lost")


def test_a_node_that_was_declared_dead_enrols_anew_and_declares_no_other_dead(
    store: Store, start: Starter
) -> None:
    """Two machines with one id, copied with the disk: the later one wins, and that is all."""
    first, second = start("machine-1"), start("machine-1")
    eventually(lambda: len(first) == 2)
    assert read(store, first[0]).dead
    wait_for_renewals(store, [first[1], second[0]])
    throughout(0.3, lambda: not read(store, second[0]).dead)
    assert (len(first), len(second)) == (2, 1)


def test_a_nodes_id_tells_its_name_and_its_address_its_machine(
    store: Store, start: Starter
) -> None:
    (node,) = start("machine-1")
    assert node.id.startswith("host-a:10090:")
    assert (node.host, node.machine) == ("host-a", "host-a@machine-1")


def test_an_enrolment_whose_answer_was_lost_leaves_one_node(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_one_answer(store, monkeypatch)
    with keep_lease(store, "machine-1") as been:
        wait_for_renewals(store, been)
        assert [node.id for node in store.nodes.all()] == [been[0].id]
    assert [event.what for event in store.events.find(subject=node_subject(been[0].id))] == [
        "enrolled"
    ]
    assert store.events.find(reason="node_lost") == []


def test_an_enrolment_anew_whose_answer_was_lost_leaves_one_living_node(
    store: Store, start: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    been = start("machine-1")
    lose_one_answer(store, monkeypatch)
    store.nodes.declare_predecessors_dead(been[0].address, NodeId("another"), utc_now())
    eventually(lambda: len(been) == 2)
    wait_for_renewals(store, been[1:])
    assert [node.id for node in store.nodes.all() if not node.dead] == [been[1].id]


def test_a_node_that_was_declared_dead_before_it_knew_that_it_enrolled_enrols_anew(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_one_answer(store, monkeypatch, dies=True)
    with keep_lease(store, "machine-1") as been:
        eventually(lambda: [node for node in been if not read(store, node).dead])
        wait_for_renewals(store, been[-1:])


def lose_one_answer(store: Store, monkeypatch: pytest.MonkeyPatch, *, dies: bool = False) -> None:
    """Have the network fail after the next enrolment was written; it may also be declared dead."""
    enrol = store.nodes.enrol

    def enrol_and_fail(node: Node) -> None:
        monkeypatch.undo()
        enrol(node)
        if dies:
            store.nodes.declare_dead(node.id, node.renewals, utc_now())
        raise AutoReconnect("the answer was lost")

    monkeypatch.setattr(store.nodes, "enrol", enrol_and_fail)
