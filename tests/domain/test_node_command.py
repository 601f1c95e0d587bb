"""One close and one probe per session, however often asked."""

from typing import Any

from shared.domain.closing import CLOSED, REPLACED
from shared.domain.ids import SessionId
from shared.domain.node_command import CommandKind, NodeCommand
from tests.support.builders import NODE, NOON, make_module


def make_command(**overrides: Any) -> NodeCommand:
    values: dict[str, Any] = {
        "session": SessionId("session-1"),
        "node": NODE,
        "module_hash": make_module().module_hash,
        "created_at": NOON,
    }
    return NodeCommand(**values | overrides)


def test_two_closes_of_one_session_are_one_command() -> None:
    assert make_command(closing=CLOSED).id == make_command(closing=REPLACED).id


def test_a_probe_is_not_in_the_way_of_a_close() -> None:
    assert make_command(kind=CommandKind.PROBE).id != make_command().id
