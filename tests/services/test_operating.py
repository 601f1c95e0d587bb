"""What operators do to modules: the stored state, the order to the node, the event."""

from datetime import timedelta

import pytest

from shared.domain.close_codes import CloseCode
from shared.domain.module import NodeId, OfflineReason, SessionId
from shared.domain.order import Order
from shared.errors import Conflict, NotFound
from shared.services.operating import (
    close_module,
    delete_module,
    expire_modules,
    find_connected,
    set_enabled,
)
from shared.store import Store
from tests.builders import NODE
from tests.fleet import Fleet

OTHER_NODE = NodeId("host-b:10090:1")


def orders_of(store: Store, node: NodeId = NODE) -> list[tuple[SessionId, int, OfflineReason]]:
    return [(order.session, order.close_code, order.reason) for order in store.orders.read(node)]


def test_connected_modules_are_living_or_stale_by_their_nodes_leases(fleet: Fleet) -> None:
    fleet.enrol()
    fleet.enrol(OTHER_NODE, lease_seconds=-10)
    living = fleet.connect(fleet.register("living"))
    stale = fleet.connect(fleet.register("stale"), node=OTHER_NODE)
    fleet.register("offline")
    connected = find_connected(fleet.store, fleet.now)
    assert connected.living == (living,)
    assert connected.stale == (stale,)


def test_one_module_alone_is_looked_at(fleet: Fleet) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    fleet.connect(fleet.register("another"))
    connected = find_connected(fleet.store, fleet.now, module.module_hash)
    assert connected.living == (module,)


def test_an_unknown_hash_is_not_found(fleet: Fleet) -> None:
    with pytest.raises(NotFound, match="No module has the hash"):
        find_connected(fleet.store, fleet.now, "0" * 64)


def test_expiring_ends_the_session_orders_the_socket_closed_and_says_why(fleet: Fleet) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    other = fleet.connect(fleet.register("another"))
    later = fleet.now + timedelta(seconds=5)
    assert expire_modules(fleet.store, [module], later) == 1
    stored = fleet.read(module)
    assert stored.session is None
    assert stored.state_since == later
    assert stored.offline_reason is OfflineReason.EXPIRED_BY_OPERATOR
    assert orders_of(fleet.store) == [
        (module.session.id, CloseCode.CLOSED_BY_OPERATOR, OfflineReason.EXPIRED_BY_OPERATOR)
    ]
    assert fleet.happened(module)[-1] == ("offline", "expired_by_operator")
    assert fleet.read(other) == other


def test_an_expired_socket_cannot_be_bound_again_by_its_node(fleet: Fleet) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    expire_modules(fleet.store, [module], fleet.now)
    assert fleet.read(module).epoch > module.epoch


def test_more_modules_than_a_slice_are_all_expired(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.services.operating.EXPIRE_SLICE", 2)
    fleet.enrol()
    modules = [fleet.connect(fleet.register(f"module-{n}")) for n in range(5)]
    assert expire_modules(fleet.store, modules, fleet.now) == 5
    assert fleet.store.modules.connected() == []
    assert len(orders_of(fleet.store)) == 5


def test_who_reconnected_meanwhile_is_not_expired(fleet: Fleet) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    reconnected = fleet.connect(module)
    assert expire_modules(fleet.store, [module], fleet.now) == 0
    assert fleet.read(module) == reconnected


def test_nobody_is_given_an_order_that_no_node_would_read(fleet: Fleet) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    fleet.store.nodes.remove(NODE)
    assert expire_modules(fleet.store, [module], fleet.now) == 1
    assert orders_of(fleet.store) == []


def test_a_module_is_closed_for_its_own_reason(fleet: Fleet) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    close_module(fleet.store, module, fleet.now)
    assert fleet.read(module).offline_reason is OfflineReason.CLOSED_BY_OPERATOR
    assert orders_of(fleet.store) == [
        (module.session.id, CloseCode.CLOSED_BY_OPERATOR, OfflineReason.CLOSED_BY_OPERATOR)
    ]


def test_a_module_that_is_not_connected_cannot_be_closed(fleet: Fleet) -> None:
    with pytest.raises(NotFound, match="is not online"):
        close_module(fleet.store, fleet.register(), fleet.now)


def test_a_module_whose_node_is_gone_cannot_be_closed(fleet: Fleet) -> None:
    fleet.enrol(lease_seconds=-10)
    module = fleet.connect(fleet.register())
    with pytest.raises(NotFound, match="is not online"):
        close_module(fleet.store, module, fleet.now)


def test_a_module_that_just_reconnected_is_a_conflict_and_stays(fleet: Fleet) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    reconnected = fleet.connect(module)
    with pytest.raises(Conflict, match="just reconnected"):
        close_module(fleet.store, module, fleet.now)
    assert fleet.read(module) == reconnected


def test_disabling_closes_the_socket_and_keeps_the_module_away(fleet: Fleet) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    assert set_enabled(fleet.store, module.module_hash, fleet.now, enabled=False)
    stored = fleet.read(module)
    assert (stored.enabled, stored.session) == (False, None)
    assert stored.offline_reason is OfflineReason.DISABLED
    assert orders_of(fleet.store) == [
        (module.session.id, CloseCode.DISABLED, OfflineReason.DISABLED)
    ]
    (outcome,) = fleet.write(fleet.claim(module))
    assert outcome.verdict == "disabled"


def test_disabling_finds_a_session_that_began_at_the_last_moment(fleet: Fleet) -> None:
    """A connect that lands just before the module is disabled must not stay."""
    fleet.enrol()
    module = fleet.register()
    store = fleet.store
    disable = store.modules.set_enabled

    def connect_first(*args: object, **options: object) -> bool:
        fleet.connect(module)
        return disable(*args, **options)

    store.modules.set_enabled = connect_first
    set_enabled(store, module.module_hash, fleet.now, enabled=False)
    assert fleet.read(module).session is None


def test_disabling_twice_changes_nothing(fleet: Fleet) -> None:
    module = fleet.register()
    assert set_enabled(fleet.store, module.module_hash, fleet.now, enabled=False)
    history = fleet.happened(module)
    assert not set_enabled(fleet.store, module.module_hash, fleet.now, enabled=False)
    assert fleet.happened(module) == history


def test_enabling_lets_the_module_connect_again(fleet: Fleet) -> None:
    fleet.enrol()
    module = fleet.register()
    set_enabled(fleet.store, module.module_hash, fleet.now, enabled=False)
    assert set_enabled(fleet.store, module.module_hash, fleet.now, enabled=True)
    assert fleet.connect(module).session is not None
    assert ("enabled", "operator") in fleet.happened(module)


def test_an_unknown_module_cannot_be_enabled(fleet: Fleet) -> None:
    with pytest.raises(NotFound):
        set_enabled(fleet.store, "0" * 64, fleet.now, enabled=True)


def test_a_deleted_module_is_gone_with_its_pulse_and_its_history_stays(fleet: Fleet) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    delete_module(fleet.store, module.module_hash, fleet.now)
    assert fleet.store.modules.get(module.module_hash) is None
    assert fleet.store.pulses.get(module.module_hash) is None
    assert orders_of(fleet.store) == [
        (module.session.id, CloseCode.UNKNOWN_MODULE, OfflineReason.CLOSED_BY_OPERATOR)
    ]
    assert ("deleted", "operator") in fleet.happened(module)


def test_deleting_an_unknown_module_is_not_found(fleet: Fleet) -> None:
    with pytest.raises(NotFound):
        delete_module(fleet.store, "0" * 64, fleet.now)


def test_the_history_of_a_module_goes_on_after_it_was_deleted_and_registered_again(
    fleet: Fleet,
) -> None:
    fleet.enrol()
    first = fleet.connect(fleet.register())
    delete_module(fleet.store, first.module_hash, fleet.now)
    fleet.now += timedelta(minutes=1)
    fleet.connect(fleet.register())
    online = [what for what, _ in fleet.happened(first)].count("online")
    assert online == 2


@pytest.mark.parametrize("change", ["expire", "disable", "delete"])
def test_every_change_is_told_to_the_readers_of_listings(fleet: Fleet, change: str) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    before, _ = fleet.store.counters.read()
    if change == "expire":
        expire_modules(fleet.store, [module], fleet.now)
    elif change == "disable":
        set_enabled(fleet.store, module.module_hash, fleet.now, enabled=False)
    else:
        delete_module(fleet.store, module.module_hash, fleet.now)
    after, _ = fleet.store.counters.read()
    assert after > before


def test_an_order_that_was_given_first_stands(fleet: Fleet) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    fleet.store.orders.give(
        [
            Order(
                session=module.session.id,
                node=NODE,
                module_hash=module.module_hash,
                created_at=fleet.now,
                close_code=CloseCode.REPLACED,
            )
        ]
    )
    expire_modules(fleet.store, [module], fleet.now)
    assert [code for _, code, _ in orders_of(fleet.store)] == [CloseCode.REPLACED]
