"""Leases: guarded by not being dead, and a declared death by the renewals."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.domain.closing import OfflineReason
from shared.domain.ids import NodeId
from shared.store import Store
from tests.support.builders import NODE, make_node

NEXT = NodeId("host-a:10090:2")


def test_a_node_is_read_back(store: Store) -> None:
    node = make_node(sessions=7)
    store.nodes.enrol(node)
    assert store.nodes.all() == [node]


def test_a_renewal_moves_the_beat_and_the_lease(store: Store, now: datetime) -> None:
    store.nodes.enrol(make_node(renewals=4))
    later = now + timedelta(minutes=1)
    assert store.nodes.renew(NODE, later, sessions=3)
    (node,) = store.nodes.all()
    assert (node.renewals, node.lease_until, node.sessions) == (5, later, 3)


def test_a_dead_or_removed_node_cannot_renew(store: Store, now: datetime) -> None:
    store.nodes.enrol(make_node(renewals=4))
    assert store.nodes.declare_dead(NODE, 4, now)
    assert not store.nodes.renew(NODE, now, sessions=0)
    store.nodes.remove(NODE)
    assert not store.nodes.renew(NODE, now, sessions=0)


def test_a_node_whose_beat_moved_is_not_declared_dead(store: Store, now: datetime) -> None:
    store.nodes.enrol(make_node(renewals=4))
    store.nodes.renew(NODE, now, sessions=0)
    assert not store.nodes.declare_dead(NODE, 4, now)
    assert not store.nodes.all()[0].dead


def test_a_node_is_declared_dead_by_one_only(store: Store, now: datetime) -> None:
    store.nodes.enrol(make_node(renewals=4))
    assert store.nodes.declare_dead(NODE, 4, now)
    assert not store.nodes.declare_dead(NODE, 4, now)


def test_a_successor_declares_every_node_dead_that_had_its_address(
    store: Store, now: datetime
) -> None:
    store.nodes.enrol(make_node())
    store.nodes.enrol(make_node(id=NEXT))
    store.nodes.enrol(make_node(id="host-b:10090:1", address="host-b:10090"))
    store.nodes.declare_predecessors_dead("host-a:10090", NEXT, now)
    assert {node.id: node.dead for node in store.nodes.all()} == {
        NODE: True,
        NEXT: False,
        "host-b:10090:1": False,
    }


def test_a_retiring_node_says_why_its_sessions_end(store: Store) -> None:
    node = make_node()
    store.nodes.enrol(node)
    at = node.lease_until - timedelta(seconds=5)
    assert store.nodes.retire(NODE, OfflineReason.PLATFORM_RESTART, at)
    retired = replace(
        node, dead=True, offline_reason=OfflineReason.PLATFORM_RESTART, lease_until=at
    )
    assert store.nodes.get(NODE) == retired
    assert not store.nodes.retire(NODE, OfflineReason.PLATFORM_RESTART, node.lease_until)
    assert store.nodes.get(NODE) == retired


@pytest.mark.parametrize("seconds_after_lease", [-5, 0, 3600])
def test_a_declared_death_ends_a_lease_and_never_prolongs_it(
    store: Store, seconds_after_lease: int
) -> None:
    node = make_node(renewals=4)
    declared_at = node.lease_until + timedelta(seconds=seconds_after_lease)
    store.nodes.enrol(node)
    store.nodes.enrol(make_node(id=NEXT))
    store.nodes.declare_predecessors_dead(node.address, NEXT, declared_at)
    store.nodes.declare_dead(NEXT, node.renewals, declared_at)
    dead = store.nodes.get(NODE)
    assert dead is not None
    assert dead.lease_until == min(node.lease_until, declared_at)
