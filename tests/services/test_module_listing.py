"""The registered modules and their presence: what every reader is shown."""

from datetime import timedelta

import pytest

from shared.domain.closing import CLOSED, OfflineReason
from shared.domain.ids import NodeId
from shared.domain.node import LeaseGrace
from shared.domain.presence import State
from shared.errors import NotFound
from shared.services.module_admin import close_module
from shared.services.module_listing import (
    Listing,
    get_module,
    list_all,
    list_online,
    presence_rules,
    select,
    to_item,
)
from shared.services.nodes import declare_node_dead, sweep
from shared.settings import Settings
from tests.support.builders import ACTOR, NODE
from tests.support.registry import Registry

OTHER = NodeId("host-b:10090:1")


@pytest.fixture
def rules(settings: Settings):
    return presence_rules(settings)


def names(listing: Listing) -> list[str]:
    return [listed.module.name for listed in listing.modules]


def test_only_modules_of_living_nodes_are_online(registry: Registry, rules) -> None:
    registry.enrol()
    registry.enrol(OTHER, lease_seconds=-10)
    registry.connect(registry.register("online"))
    registry.connect(registry.register("lost"), node=OTHER)
    registry.register("offline")
    assert names(list_online(registry.store, rules, registry.now)) == ["online"]


def test_all_are_listed_each_with_its_state_and_reason(registry: Registry, rules) -> None:
    registry.enrol()
    registry.enrol(OTHER, lease_seconds=-10)
    registry.connect(registry.register("online"))
    registry.connect(registry.register("lost"), node=OTHER)
    registry.register("offline")
    listing = list_all(registry.store, rules, registry.now)
    states = {
        listed.module.name: (listed.presence.state, listed.presence.reason)
        for listed in listing.modules
    }
    assert states == {
        "online": (State.ONLINE, None),
        "lost": (State.OFFLINE, OfflineReason.NODE_LOST),
        "offline": (State.OFFLINE, OfflineReason.NEVER_CONNECTED),
    }


def test_modules_come_in_the_order_of_their_numbers(registry: Registry, rules) -> None:
    for number in range(12):
        registry.register(f"module-{number}")
    assert names(list_all(registry.store, rules, registry.now)) == [
        f"module-{n}" for n in range(12)
    ]


def test_a_silent_module_is_suspect_and_still_listed(registry: Registry, rules) -> None:
    registry.enrol(lease_seconds=3600)
    registry.connect(registry.register())
    registry.now += timedelta(minutes=5)
    (listed,) = list_online(registry.store, rules, registry.now).modules
    assert listed.presence.state is State.SUSPECT


def test_a_listing_tells_which_nodes_it_rests_on(registry: Registry, rules) -> None:
    registry.enrol()
    registry.enrol(OTHER, lease_seconds=-10)
    listing = list_online(registry.store, rules, registry.now)
    assert listing.nodes.alive == {NODE}
    assert set(listing.nodes.nodes) == {NODE, OTHER}


def test_a_reader_that_just_started_lists_modules_in_doubt(registry: Registry, rules) -> None:
    registry.enrol(lease_seconds=-60)
    dead = registry.enrol(OTHER, lease_seconds=20)
    late = registry.connect(registry.register("late"))
    registry.connect(registry.register("lost"), node=OTHER)
    registry.store.nodes.declare_dead(dead.id, dead.renewals, registry.now)
    grace = LeaseGrace(lambda: 0.0)
    listing = list_online(registry.store, rules, registry.now, grace)
    assert [(item.module.name, item.in_doubt) for item in listing.modules] == [("late", True)]
    found = get_module(registry.store, late.module_hash, rules, registry.now, grace)
    assert (found.in_doubt, found.presence.state) == (True, State.ONLINE)


def test_a_change_during_the_read_shows_in_the_counter(registry: Registry, rules) -> None:
    """The counter is read first: a listing may be newer than it says, but never older."""
    read_nodes = registry.store.nodes.all

    def register_first():
        registry.register("late")
        return read_nodes()

    registry.store.nodes.all = register_first
    listing = list_all(registry.store, rules, registry.now)
    assert listing.changes < registry.store.counters.read()[0]


def test_a_module_that_never_connected_was_never_alive(registry: Registry, rules) -> None:
    module = registry.register()
    listed = get_module(registry.store, module.module_hash, rules, registry.now)
    assert listed.presence.reason is OfflineReason.NEVER_CONNECTED
    assert listed.last_alive_time is None
    assert to_item(listed)["last_alive_time"] is None


def test_a_module_that_was_lost_before_the_first_flush_was_alive_at_its_connect(
    registry: Registry, rules
) -> None:
    node = registry.enrol()
    module = registry.connect(registry.register())
    connected_at = registry.now
    registry.now += timedelta(minutes=5)
    declare_node_dead(registry.store, node, registry.now)
    while sweep(registry.store, registry.now):
        pass
    listed = get_module(registry.store, module.module_hash, rules, registry.now)
    assert listed.last_alive_time == connected_at


def test_a_listed_module_tells_how_its_session_ended(registry: Registry, rules) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    listed = get_module(registry.store, module.module_hash, rules, registry.now)
    assert to_item(listed)["offline_detail"] is None
    close_module(registry.store, module, registry.now, ACTOR)
    (item,) = map(to_item, list_all(registry.store, rules, registry.now).modules)
    assert item["offline_detail"] == {"close_code": CLOSED.code, "close_text": CLOSED.text}


def test_one_module_is_found_with_its_state(registry: Registry, rules) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    registry.register("another")
    listed = get_module(registry.store, module.module_hash, rules, registry.now)
    assert (listed.module, listed.presence.state) == (module, State.ONLINE)
    assert listed.last_alive_time == registry.now


def test_an_unknown_module_is_not_found_and_its_name_not_repeated_in_full(
    registry: Registry, rules
) -> None:
    with pytest.raises(NotFound) as refused:
        get_module(registry.store, "x" * 10_000, rules, registry.now)
    assert len(refused.value.message) < 200


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["North Load", "South Price", "west load"]),
        ({"mission_kind": "load"}, ["North Load", "west load"]),
        ({"mission_kind": ""}, []),
        ({"tag": "pilot"}, ["North Load"]),
        ({"name": "LOAD"}, ["North Load", "west load"]),
        ({"name": ""}, ["North Load", "South Price", "west load"]),
        ({"state": State.ONLINE}, ["North Load"]),
        ({"state": State.OFFLINE, "mission_kind": "load"}, ["west load"]),
    ],
)
def test_filters_are_all_to_be_matched(registry: Registry, rules, filters, expected) -> None:
    registry.enrol()
    registry.connect(registry.register("North Load", mission_kind="load", tags=("pilot",)))
    registry.register("South Price", mission_kind="price")
    registry.register("west load", mission_kind="load")
    chosen = select(list_all(registry.store, rules, registry.now).modules, **filters)
    assert [listed.module.name for listed in chosen] == expected


def test_the_public_form_of_an_online_module(registry: Registry, rules) -> None:
    registry.enrol()
    module = registry.connect(registry.register(mission_kind="load", data_requirement=[1]))
    item = to_item(get_module(registry.store, module.module_hash, rules, registry.now))
    assert (item["missionKind"], item["dataRequirement"]) == ("load", [1])
    assert (item["alive"], item["state"], item["offline_reason"]) == (True, "online", None)
    assert (item["session_id"], item["node"]) == (module.session.id, NODE)
    assert item["last_login_time"] == item["last_alive_time"] == registry.now


def test_the_public_form_of_a_lost_module_has_no_session(registry: Registry, rules) -> None:
    registry.enrol(lease_seconds=-10)
    module = registry.connect(registry.register())
    item = to_item(get_module(registry.store, module.module_hash, rules, registry.now))
    assert (item["alive"], item["offline_reason"]) == (False, "node_lost")
    assert (item["session_id"], item["peer"], item["node"]) == (None, None, None)


@pytest.mark.parametrize("sessions", [0, 1000])
def test_both_ways_to_read_heartbeats_show_the_same(
    registry: Registry, rules, sessions: int
) -> None:
    registry.enrol(sessions=sessions)
    for number in range(10):
        registry.register(f"offline-{number}")
    registry.connect(registry.register("online"))
    (listed,) = list_online(registry.store, rules, registry.now).modules
    assert listed.last_alive_time == registry.now
