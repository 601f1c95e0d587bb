"""When a module is online, suspect or offline."""

from datetime import timedelta

import pytest

from shared.domain.closing import OfflineReason
from shared.domain.disabling import Disabling
from shared.domain.ids import NodeId
from shared.domain.node import NodeWatch
from shared.domain.presence import PresenceRules, State, judge_presence
from shared.domain.session import count_recent_takeovers
from tests.support.builders import ACTOR, NODE, NOON, make_module, make_node, make_session

RULES = PresenceRules(interval=timedelta(seconds=30), flush=timedelta(seconds=10))
OTHER = NodeId("host-b:10090:1")


def ago(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("connected_ago", "heartbeat_ago", "state"),
    [
        (0, None, State.ONLINE),  # just connected, nothing flushed yet
        (3600, 0, State.ONLINE),
        (3600, 55, State.ONLINE),  # one and a half intervals and one flush: the last moment
        (3600, 55.001, State.SUSPECT),
        (3600, None, State.SUSPECT),  # connected long ago, and never heard of
        (5, 3600, State.ONLINE),  # the heartbeat is from an earlier session
        (3600, -5, State.ONLINE),  # a heartbeat from a clock that is ahead
    ],
)
def test_a_connected_module_is_online_until_it_is_silent_for_too_long(
    connected_ago: float, heartbeat_ago: float | None, state: State
) -> None:
    module = make_module(session=make_session(connected_at=NOON - ago(connected_ago)))
    heartbeat = None if heartbeat_ago is None else NOON - ago(heartbeat_ago)
    presence = judge_presence(module, {}, {NODE}, heartbeat, NOON, RULES)
    assert (presence.state, presence.reason, presence.is_alive) == (state, None, True)
    assert presence.session == module.session


def test_a_module_without_a_session_is_offline_for_its_stored_reason() -> None:
    since = NOON - ago(60)
    module = make_module(offline_reason=OfflineReason.BYE, state_since=since)
    presence = judge_presence(module, {}, {NODE}, NOON, NOON, RULES)
    assert (presence.state, presence.reason) == (State.OFFLINE, OfflineReason.BYE)
    assert (presence.since, presence.session, presence.is_alive) == (since, None, False)


@pytest.mark.parametrize("alive", [(), (OTHER,)])
def test_a_module_whose_node_is_not_alive_is_offline_however_fresh_its_heartbeat(alive) -> None:
    module = make_module(session=make_session())
    presence = judge_presence(module, {}, alive, NOON, NOON, RULES)
    assert (presence.state, presence.reason) == (State.OFFLINE, OfflineReason.NODE_LOST)
    assert presence.session is None


@pytest.mark.parametrize("reason", [OfflineReason.NODE_LOST, OfflineReason.PLATFORM_RESTART])
def test_a_node_that_is_not_alive_says_why_and_since_when_its_modules_are_offline(
    reason: OfflineReason,
) -> None:
    node = make_node(lease_until=NOON - ago(10), offline_reason=reason)
    module = make_module(session=make_session(), state_since=NOON - ago(60))
    presence = judge_presence(module, {NODE: node}, (), NOON, NOON, RULES)
    assert (presence.reason, presence.since) == (reason, NOON - ago(10))


def test_a_session_that_began_after_its_nodes_lease_ended_at_once() -> None:
    node = make_node(lease_until=NOON - ago(10))
    module = make_module(session=make_session(), state_since=NOON - ago(3))
    presence = judge_presence(module, {NODE: node}, (), NOON, NOON, RULES)
    assert presence.since == NOON - ago(3)


@pytest.mark.parametrize(
    ("seconds_after_lease", "dead", "alive"),
    [
        (-1, False, True),
        (2, False, True),  # two seconds between the hosts' clocks are tolerated
        (2.001, False, False),
        (-1, True, False),
    ],
)
def test_a_node_is_alive_while_its_lease_lasts_and_nobody_declared_it_dead(
    seconds_after_lease: float, dead: bool, alive: bool
) -> None:
    node = make_node(lease_until=NOON - ago(seconds_after_lease), dead=dead)
    assert node.is_alive(NOON) is alive


@pytest.mark.parametrize(
    ("takeovers_ago", "count"),
    [((), 0), ((0,), 1), ((60,), 1), ((60.001,), 0), ((1, 2, 3, 100), 3), ((-5,), 1)],
)
def test_only_takeovers_within_the_window_count(takeovers_ago, count: int) -> None:
    takeovers = [NOON - ago(seconds) for seconds in takeovers_ago]
    assert count_recent_takeovers(takeovers, NOON, timedelta(seconds=60)) == count


def test_a_beat_that_stands_still_for_a_whole_lease_is_noticed() -> None:
    watch = NodeWatch(lease_seconds=20)
    assert watch.observe({NODE: 7}, 100) == []
    assert watch.observe({NODE: 7}, 119.9) == []
    assert watch.observe({NODE: 7}, 120) == [(NODE, 7)]


def test_a_beat_that_moves_starts_the_observation_anew() -> None:
    watch = NodeWatch(lease_seconds=20)
    watch.observe({NODE: 7}, 100)
    watch.observe({NODE: 8}, 119)
    assert watch.observe({NODE: 8}, 130) == []
    assert watch.observe({NODE: 8}, 139) == [(NODE, 8)]


def test_a_node_that_stands_still_does_not_hide_one_that_lives() -> None:
    watch = NodeWatch(lease_seconds=20)
    for second in range(100, 125, 5):
        still = watch.observe({NODE: 7, OTHER: second}, second)
    assert still == [(NODE, 7)]


def test_what_was_seen_before_a_gap_does_not_count() -> None:
    watch = NodeWatch(lease_seconds=20)
    watch.observe({NODE: 7}, 100)
    watch.forget()
    assert watch.observe({NODE: 7}, 1000) == []
    assert watch.observe({NODE: 7}, 1020) == [(NODE, 7)]


def test_a_node_that_was_away_in_between_is_observed_anew() -> None:
    watch = NodeWatch(lease_seconds=20)
    watch.observe({NODE: 7}, 100)
    watch.observe({}, 110)
    assert watch.observe({NODE: 7}, 125) == []


@pytest.mark.parametrize(("left", "disabled"), [(60, 30), (30, 60)])
def test_a_disabled_module_has_a_state_of_its_own_since_both_hold(left: int, disabled: int) -> None:
    disabling = Disabling(at=NOON - ago(disabled), actor=ACTOR)
    module = make_module(
        enabled=False,
        disabling=disabling,
        offline_reason=OfflineReason.BYE,
        state_since=NOON - ago(left),
    )
    presence = judge_presence(module, {}, {NODE}, None, NOON, RULES)
    assert (presence.state, presence.reason) == (State.DISABLED, OfflineReason.BYE)
    assert (presence.since, presence.is_alive) == (NOON - ago(30), False)


def test_a_disabled_module_whose_socket_is_not_closed_yet_is_online() -> None:
    module = make_module(enabled=False, session=make_session())
    presence = judge_presence(module, {}, {NODE}, NOON, NOON, RULES)
    assert (presence.state, presence.is_alive) == (State.ONLINE, True)
