"""Orders: one close per session, read by their node, removed when carried out."""

from datetime import datetime
from typing import Any

from shared.domain.module import NodeId, OfflineReason, SessionId
from shared.domain.order import Order, OrderKind
from shared.store import Store
from tests.builders import NODE, NOON, make_module

OTHER = NodeId("host-b:10090:1")


def make_order(session: str = "session-1", **overrides: Any) -> Order:
    values: dict[str, Any] = {
        "session": SessionId(session),
        "node": NODE,
        "module_hash": make_module().module_hash,
        "created_at": NOON,
        "close_code": 4010,
        "reason": OfflineReason.EXPIRED_BY_OPERATOR,
    }
    return Order(**values | overrides)


def test_a_node_reads_its_own_orders(store: Store) -> None:
    mine, other = make_order("session-1"), make_order("session-2", node=OTHER)
    store.orders.give([mine, other])
    assert store.orders.read(NODE) == [mine]
    assert store.orders.read(OTHER) == [other]


def test_giving_nothing_is_fine(store: Store) -> None:
    store.orders.give([])
    store.orders.remove([])
    assert store.orders.read(NODE) == []


def test_the_first_close_of_a_session_stands(store: Store) -> None:
    store.orders.give([make_order(close_code=4509)])
    store.orders.give([make_order(close_code=4010), make_order("session-2")])
    assert sorted(order.close_code for order in store.orders.read(NODE)) == [4010, 4509]


def test_an_order_that_was_carried_out_is_removed(store: Store) -> None:
    done, open_ = make_order("session-1"), make_order("session-2")
    store.orders.give([done, open_])
    store.orders.remove([done])
    assert store.orders.read(NODE) == [open_]


def test_a_probe_is_answered_once_and_not_read_again(store: Store) -> None:
    probe = make_order(kind=OrderKind.PROBE)
    store.orders.give([probe])
    assert store.orders.read_answer(probe) is None
    store.orders.answer(probe, alive=True)
    assert store.orders.read_answer(probe) is True
    assert store.orders.read(NODE) == []


def test_the_answer_to_an_order_that_is_gone_is_none(store: Store, now: datetime) -> None:
    probe = make_order(kind=OrderKind.PROBE)
    store.orders.answer(probe, alive=False)
    assert store.orders.read_answer(probe) is None


def test_the_orders_of_a_gone_node_are_removed(store: Store) -> None:
    store.orders.give([make_order("session-1"), make_order("session-2", node=OTHER)])
    store.orders.remove_of_node(NODE)
    assert store.orders.read(NODE) == []
    assert len(store.orders.read(OTHER)) == 1
