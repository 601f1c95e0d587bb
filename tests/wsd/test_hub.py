"""The hub: one socket per module, and each session's start and end told once."""

from shared.domain.closing import OfflineReason
from shared.domain.session import SessionEnd
from tests.support.held_sockets import HeldSockets, close_code
from wsd.connection import Connection


def ends_of(sockets: HeldSockets) -> list[SessionEnd]:
    ends: list[SessionEnd] = []
    sockets.hub.on_session_end.append(lambda _, end: ends.append(end))
    return ends


async def test_a_held_socket_is_found_by_its_module_and_its_session() -> None:
    sockets = HeldSockets()
    started: list[Connection] = []
    sockets.hub.on_session_start.append(started.append)
    connection = sockets.hold()
    assert sockets.hub.by_module == {"a" * 64: connection}
    assert sockets.hub.by_session == {"session-1": connection}
    assert started == [connection]


async def test_a_newer_socket_of_a_module_closes_the_older() -> None:
    sockets = HeldSockets()
    neighbour = sockets.hold("b" * 64, "neighbour")
    ends = ends_of(sockets)
    older, newer = sockets.hold(), sockets.hold(session="session-2", epoch=2)
    assert close_code(older) == 4509
    assert [(end.session_id, end.epoch, end.reason) for end in ends] == [
        ("session-1", 1, OfflineReason.REPLACED)
    ]
    assert sockets.hub.by_module == {"a" * 64: newer, "b" * 64: neighbour}


async def test_the_end_of_an_older_socket_does_not_let_go_of_the_newer() -> None:
    sockets = HeldSockets()
    older, newer = sockets.hold(), sockets.hold(session="session-2")
    older.abort()
    assert sockets.hub.by_module == {"a" * 64: newer}


async def test_a_session_ends_once() -> None:
    sockets = HeldSockets()
    ends = ends_of(sockets)
    connection = sockets.hold()
    connection.abort()
    sockets.hub.release(connection, OfflineReason.BYE)
    assert [(end.reason, end.peer) for end in ends] == [
        (OfflineReason.CONNECTION_LOST, connection.peer)
    ]
    assert sockets.hub.by_session == {}


async def test_a_socket_that_was_lost_during_its_claim_is_let_go_at_once() -> None:
    sockets = HeldSockets()
    ends = ends_of(sockets)
    connection = sockets.open()
    connection.abort()
    sockets.hub.hold(connection)
    assert [end.reason for end in ends] == [OfflineReason.CONNECTION_LOST]
    assert sockets.hub.by_module == {}


async def test_a_stopping_node_holds_no_new_socket() -> None:
    sockets = HeldSockets()
    sockets.hub.is_stopping = True
    sockets.hold()
    assert sockets.hub.by_session == {}
