"""One socket's life: frames and times in, answers and endings out."""

import pytest

from shared.domain.closing import (
    BYE,
    HEARTBEAT_TIMEOUT,
    INVALID_FRAMES,
    INVALID_TEXT,
    REPLACED,
    RESTART,
)
from shared.domain.ids import ModuleHash, SessionId
from tests.support.builders import NOON
from wsd.protocol import parse
from wsd.session import Ask, Close, Hand, Phase, Reply, SilenceRules, SocketSession

RULES = SilenceRules(interval_seconds=30, timeout_seconds=90)


@pytest.fixture
def session() -> SocketSession:
    made = SocketSession(ModuleHash("h"), SessionId("s"), "peer", NOON, now=0)
    made.register(now=0)
    return made


def test_a_heartbeat_is_confirmed_and_counts_as_life(session: SocketSession) -> None:
    assert session.receive(b"heartbeat", now=40) == (Reply(b"heartbeat confirm"),)
    assert session.last_heartbeat_at == 40


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":"hello","acks":true,"in_flight":1000000000}',
        b'{"type":"ack","id":"1"}',
        b'{"type":"progress","id":"1","percent":40}',
        b'{"type":"result","id":"1","status":"success"}',
        b'{"status":"success"}',
        b'{"forecast":[1,2,3]}',
    ],
)
def test_a_word_about_work_is_handed_on_and_counts_as_life(
    session: SocketSession, frame: bytes
) -> None:
    (handed,) = session.receive(frame, now=40)
    assert handed == Hand(parse(frame))
    assert session.last_heartbeat_at == 40


def test_a_pong_counts_as_life_and_is_not_answered(session: SocketSession) -> None:
    assert session.receive(b'{"type":"pong"}', now=40) == ()
    assert session.last_heartbeat_at == 40


def test_a_result_that_cannot_be_kept_is_answered_and_is_no_sign_of_life(
    session: SocketSession,
) -> None:
    deep = b'{"type":"result","id":"1","result":%b%b}' % (b"[" * 500, b"]" * 500)
    (reply,) = session.receive(deep, now=40)
    assert isinstance(reply, Reply)
    assert b"The result is nested too deep" in reply.data
    assert session.last_heartbeat_at == 0


def test_no_word_about_work_is_handed_on_after_a_bye(session: SocketSession) -> None:
    session.receive(b'{"type":"bye"}', now=1)
    assert session.receive(b'{"type":"result","id":"1"}', now=2) == ()


def test_an_invalid_frame_is_answered_and_is_no_sign_of_life(session: SocketSession) -> None:
    (reply,) = session.receive(b"garbage", now=40)
    assert isinstance(reply, Reply)
    assert b'"code":"3002"' in reply.data
    assert session.last_heartbeat_at == 0


def test_a_bye_closes_the_socket_with_1000(session: SocketSession) -> None:
    (close,) = session.receive(b'{"type":"bye"}', now=1)
    assert close == Close(BYE)
    assert session.phase is Phase.CLOSING


def test_nothing_counts_after_a_bye(session: SocketSession) -> None:
    session.receive(b'{"type":"bye"}', now=1)
    assert session.receive(b"heartbeat", now=2) == ()
    assert session.check(now=1000, rules=RULES) == ()


@pytest.mark.parametrize("frame", [b"\xff\xfe", b'{"type":"\xff"}'])
def test_text_that_is_not_utf8_closes_with_1007(session: SocketSession, frame: bytes) -> None:
    (close,) = session.receive(frame, now=1)
    assert close == Close(INVALID_TEXT)


def test_the_twentieth_invalid_frame_within_a_minute_closes_with_1008(
    session: SocketSession,
) -> None:
    for second in range(19):
        (reply,) = session.receive(b"garbage", now=second)
        assert isinstance(reply, Reply)
    (close,) = session.receive(b"garbage", now=59)
    assert close == Close(INVALID_FRAMES)


def test_an_invalid_frame_spread_over_more_than_a_minute_is_only_answered(
    session: SocketSession,
) -> None:
    for second in range(0, 400, 4):
        (reply,) = session.receive(b"garbage", now=second)
        assert isinstance(reply, Reply)


def test_a_module_that_speaks_in_time_is_left_alone(session: SocketSession) -> None:
    session.receive(b"heartbeat", now=29)
    assert session.check(now=58, rules=RULES) == ()


def test_a_module_that_sends_heartbeats_is_not_asked(session: SocketSession) -> None:
    session.receive(b"heartbeat", now=1)
    assert session.check(now=60, rules=RULES) == ()


def test_a_module_that_sends_no_heartbeats_is_asked_once_per_interval(
    session: SocketSession,
) -> None:
    asked = [now for now in range(89) if session.check(now=now, rules=RULES)]
    assert asked == [30, 60]


def test_a_module_that_answers_the_question_stays(session: SocketSession) -> None:
    assert session.check(now=30, rules=RULES) == (Ask.ALIVE,)
    session.receive(b'{"type":"pong"}', now=31)
    assert session.check(now=60, rules=RULES) == ()
    assert session.check(now=61, rules=RULES) == (Ask.ALIVE,)


def test_ninety_seconds_of_silence_close_with_4008(session: SocketSession) -> None:
    (close,) = session.check(now=90, rules=RULES)
    assert close == Close(HEARTBEAT_TIMEOUT)


def test_a_session_closes_once(session: SocketSession) -> None:
    assert session.close(RESTART) != ()
    assert session.close(REPLACED) == ()


def test_a_socket_before_its_handshake_hears_nothing() -> None:
    connecting = SocketSession(ModuleHash("h"), SessionId("s"), "peer", NOON, now=0)
    assert connecting.receive(b"heartbeat", now=1) == ()
    assert connecting.check(now=1000, rules=RULES) == ()


@pytest.mark.parametrize("sends_heartbeats", [True, False])
def test_no_check_before_the_next_one_finds_anything(
    session: SocketSession, sends_heartbeats: bool
) -> None:
    if sends_heartbeats:
        session.receive(b"heartbeat", now=0)
    now = found = 0.0
    while session.phase is Phase.REGISTERED:
        now = session.next_check_at(RULES)
        assert session.check(now=now - 0.001, rules=RULES) == ()
        found += len(session.check(now=now, rules=RULES))
    assert (now, found) == (90, 1 if sends_heartbeats else 3)
