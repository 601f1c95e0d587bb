"""The lease: enrolled once, renewed, and which nodes a node may declare dead for it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from shared.domain.event import node_subject
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
