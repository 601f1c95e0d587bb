"""Silent sockets are asked, pinged and closed; after a freeze none is judged at once."""

import pytest

from tests.support.held_sockets import HeldSockets, close_code
from wsd.connection import Connection
from wsd.loops import heartbeat_monitor
from wsd.loops.heartbeat_monitor import HeartbeatMonitor
from wsd.session import SilenceRules

RULES = SilenceRules(interval_seconds=30, timeout_seconds=90)
Monitored = tuple[HeldSockets, HeartbeatMonitor]


@pytest.fixture
async def monitored() -> Monitored:
    sockets = HeldSockets()
    monitor = HeartbeatMonitor(
        sockets.hub,
        sockets.clock,
        sockets.metrics,
        RULES,
        protocol_ping_seconds=20,
        closes_per_second=4,
        freeze_seconds=2,
        freeze_grace_seconds=5,
    )
    return sockets, monitor


def hear(connection: Connection, sockets: HeldSockets) -> None:
    """Let something arrive that is no heartbeat, as a pong is."""
    connection.heard_at = sockets.clock.now()


def freeze(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the machine be suspended before the next tick."""
    boot = heartbeat_monitor._boot_seconds
    monkeypatch.setattr(heartbeat_monitor, "_boot_seconds", lambda: boot() + seconds)


async def test_a_silent_module_is_closed_with_4008(monitored: Monitored) -> None:
    sockets, monitor = monitored
    silent = sockets.hold()
    sockets.seconds += 89
    speaking = sockets.hold("b" * 64, "session-2")
    hear(silent, sockets)
    await monitor.tick()
    assert close_code(silent) is None
    sockets.seconds += 1
    await monitor.tick()
    assert (close_code(silent), close_code(speaking)) == (4008, None)
    assert list(sockets.hub.by_session) == ["session-2"]


async def test_a_peer_whose_kernel_does_not_answer_a_ping_is_cut_off(monitored: Monitored) -> None:
    sockets, monitor = monitored
    gone = sockets.hold()
    sockets.seconds += 20
    await monitor.tick()
    assert gone.pinged_at == sockets.clock.now()
    sockets.seconds += 20
    await monitor.tick()
    assert gone.is_lost
    assert sockets.hub.by_session == {}


async def test_a_ping_that_is_answered_keeps_the_socket(monitored: Monitored) -> None:
    sockets, monitor = monitored
    connection = sockets.hold()
    for _ in range(4):
        sockets.seconds += 20
        await monitor.tick()
        hear(connection, sockets)
    assert connection.is_open()


async def test_closings_are_paced(monitored: Monitored) -> None:
    sockets, monitor = monitored
    silent = [sockets.hold(f"{n:064x}", f"session-{n}") for n in range(5)]
    sockets.seconds += 90
    for connection in silent:
        hear(connection, sockets)
    counts = []
    for _ in range(3):
        await monitor.tick()
        counts.append(sum(close_code(connection) == 4008 for connection in silent))
    assert counts == [2, 4, 5]


async def test_a_socket_that_cannot_be_judged_does_not_keep_the_others_from_it(
    monitored: Monitored,
) -> None:
    sockets, monitor = monitored
    broken, silent = sockets.hold(), sockets.hold("b" * 64, "session-2")
    assert broken.session is not None
    broken.session.last_heartbeat_at = "never"  # type: ignore[assignment]
    sockets.seconds += 90
    hear(silent, sockets)
    await monitor.tick()
    assert broken.is_lost
    assert close_code(silent) == 4008


@pytest.mark.parametrize("frozen_seconds", [100, 100_000])
async def test_no_module_is_judged_just_after_a_freeze(
    monitored: Monitored, monkeypatch: pytest.MonkeyPatch, frozen_seconds: float
) -> None:
    sockets, monitor = monitored
    told: list[str] = []
    monitor.on_freeze.append(lambda: told.append("freeze"))
    connection = sockets.hold()
    sockets.seconds += 89
    freeze(monkeypatch, frozen_seconds)
    await monitor.tick()
    assert told == ["freeze"]
    sockets.seconds += 4
    await monitor.tick()
    assert connection.is_open()
    sockets.seconds += 1
    hear(connection, sockets)
    await monitor.tick()
    assert close_code(connection) == 4008


async def test_every_tick_is_told_before_any_socket_is_judged(monitored: Monitored) -> None:
    sockets, monitor = monitored
    seen: list[bool] = []
    connection = sockets.hold()
    sockets.seconds += 90
    hear(connection, sockets)
    monitor.on_tick.append(lambda: seen.append(connection.is_open()))
    await monitor.tick()
    assert seen == [True]
    assert not connection.is_open()
