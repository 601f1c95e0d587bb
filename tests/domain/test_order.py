"""One close and one probe per session, however often asked."""

from typing import Any

from shared.domain.module import SessionId
from shared.domain.order import Order, OrderKind
from tests.builders import NODE, NOON, make_module


def make_order(**overrides: Any) -> Order:
    values: dict[str, Any] = {
        "session": SessionId("session-1"),
        "node": NODE,
        "module_hash": make_module().module_hash,
        "created_at": NOON,
    }
    return Order(**values | overrides)


def test_two_closes_of_one_session_are_one_order() -> None:
    assert make_order(close_code=4010).id == make_order(close_code=4509).id


def test_a_probe_is_not_in_the_way_of_a_close() -> None:
    assert make_order(kind=OrderKind.PROBE).id != make_order().id
