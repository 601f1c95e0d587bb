"""What a session knows of its work: values in, values out."""

from datetime import timedelta

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from shared.domain.ids import ExecutionId, MessageId
from shared.domain.message import ACK_SECONDS, QUEUE_MAX, Message
from tests.support.builders import NOON, make_message
from wsd.protocol import Hello, WorkName
from wsd.work import HELLO_SECONDS, PUSHED_AT_ONCE, SessionWork, is_out_of_tries

ACKS_ONE = Hello(sdk="test", acks=True, in_flight=1)


def message(message_id: str, seconds: float = 0, **overrides: object) -> Message:
    at = NOON + timedelta(seconds=seconds)
    return make_message(id=MessageId(message_id), created_at=at, **overrides)


def with_hello(in_flight: int = 1) -> SessionWork:
    work = SessionWork(0.0)
    work.hear_hello(Hello(sdk="test", acks=True, in_flight=in_flight), 0.0)
    return work


def send(work: SessionWork, now: float = 0.0) -> list[str]:
    """Send all that may be sent now."""
    taken = work.take(now, NOON)
    for one in taken:
        work.note_sent(one.id, one.attempt + 1, NOON, now)
    return [one.id for one in taken]


def ids(messages: list[Message]) -> list[str]:
    return [one.id for one in messages]


def test_nothing_is_sent_before_the_client_could_say_hello() -> None:
    work = SessionWork(10.0)
    work.enqueue([message("a")])
    assert work.take(10.0 + HELLO_SECONDS - 0.01, NOON) == []
    assert ids(work.take(10.0 + HELLO_SECONDS, NOON)) == ["a"]


def test_a_hello_lets_the_work_go_at_once() -> None:
    work = SessionWork(10.0)
    work.enqueue([message("a")])
    work.hear_hello(ACKS_ONE, 10.1)
    assert ids(work.take(10.1, NOON)) == ["a"]


def test_a_later_hello_with_less_room_holds_back_what_waits() -> None:
    work = with_hello(4)
    work.enqueue([message("a"), message("b")])
    assert send(work) == ["a", "b"]
    work.hear_hello(Hello(sdk="test", acks=True, in_flight=2), 1.0)
    work.enqueue([message("c")])
    assert send(work, 1.0) == []


def test_urgent_messages_go_first_and_equal_ones_in_their_order() -> None:
    work = with_hello(10)
    work.enqueue([message("c", 3), message("a", 1), message("urgent", 4, priority=101)])
    work.enqueue([message("b", 2), message("idle", 0, priority=99)])
    assert send(work) == ["urgent", "a", "b", "c", "idle"]


def test_what_is_known_is_not_queued_twice() -> None:
    work = with_hello()
    work.enqueue([message("a"), message("b", 1)])
    send(work)
    work.enqueue([message("a"), message("b", 1)])
    assert ids(work.waiting) == ["b"]


@pytest.mark.parametrize(("said", "sent"), [(-5, 1), (0, 1), (1, 1), (3, 3), (10**9, QUEUE_MAX)])
def test_no_more_is_sent_than_the_client_takes(said: int, sent: int) -> None:
    work = with_hello(said)
    work.enqueue([message(str(n), n) for n in range(QUEUE_MAX + 1)])
    while send(work):
        pass
    assert len(work.open) == sent
    assert work.is_full


def test_one_socket_gets_its_share_at_a_time() -> None:
    work = with_hello(1000)
    work.enqueue([message(str(n), n) for n in range(200)])
    assert len(work.take(0.0, NOON)) == PUSHED_AT_ONCE
    assert work.take(0.0, NOON) == []


def test_a_long_queue_is_sent_in_groups_unless_it_waited_for_long() -> None:
    work = with_hello(20)
    work.enqueue([message(str(n), n) for n in range(40)])
    send(work)
    for freed in range(4):
        work.end(MessageId(str(freed)))
        assert work.take(0.0, NOON, in_groups=True) == []
    assert len(work.take(0.0, NOON)) == 4


def test_the_rest_of_a_queue_waits_for_no_group() -> None:
    work = with_hello(20)
    work.enqueue([message(str(n), n) for n in range(21)])
    send(work)
    work.end(MessageId("0"))
    assert ids(work.take(0.0, NOON, in_groups=True)) == ["20"]


def test_an_acknowledged_message_takes_its_place_until_its_result() -> None:
    work = with_hello()
    work.enqueue([message("a"), message("b", 1)])
    send(work)
    assert work.acknowledge(MessageId("a"))
    assert not work.acknowledge(MessageId("a"))
    assert send(work) == []
    work.end(MessageId("a"))
    assert send(work) == ["b"]


def test_an_earlier_client_gets_everything_and_owes_nothing() -> None:
    work = SessionWork(0.0)
    work.enqueue([message("a"), message("b", 1)])
    assert send(work, 1.0) == ["a", "b"]
    assert work.overdue(1000.0) == []
    assert work.unacknowledged() == ()


def test_an_acknowledgement_without_a_hello_shows_what_the_client_can() -> None:
    work = SessionWork(0.0)
    work.enqueue([message("a")])
    send(work, 1.0)
    assert work.acknowledge(MessageId("a"))
    work.hear_ack(MessageId("a"))
    work.enqueue([message("b", 1)])
    assert send(work, 1.0) == []  # one at a time, as it said nothing of more
    work.end(MessageId("a"))
    assert send(work, 2.0) == ["b"]
    assert ids([one.message for one in work.overdue(2.0 + ACK_SECONDS)]) == ["b"]


def test_what_is_not_acknowledged_in_time_is_due_again_and_then_out_of_tries() -> None:
    work = with_hello()
    work.enqueue([message("a")])
    send(work)
    now = 0.0
    for attempt in (1, 2, 3):
        assert work.overdue(now + ACK_SECONDS - 0.1) == []
        now += ACK_SECONDS
        (one,) = work.overdue(now)
        assert one.message.attempt == attempt
        assert is_out_of_tries(one) is (attempt == 3)
        work.note_sent(MessageId("a"), attempt + 1, NOON, now)


def test_the_end_of_a_session_names_what_may_be_lost() -> None:
    work = with_hello(3)
    work.enqueue([message("a"), message("b", 1), message("c", 2)])
    send(work)
    work.acknowledge(MessageId("b"))
    work.end(MessageId("c"))
    assert [(one.id, one.attempt) for one in work.unacknowledged()] == [("a", 1)]


def test_what_is_not_useful_any_more_is_not_sent() -> None:
    work = with_hello(3)
    work.enqueue([message("a", useful_until=NOON), message("b", 1)])
    assert ids(work.take(0.0, NOON)) == ["b"]
    assert work.waiting == []


def test_what_is_not_useful_any_more_holds_up_nothing_behind_it() -> None:
    work = with_hello()
    work.enqueue([message(f"old-{n}", n, useful_until=NOON) for n in range(5)])
    work.enqueue([message("a", 6)])
    assert send(work) == ["a"]


def test_what_another_process_changed_is_forgotten() -> None:
    work = with_hello()
    work.enqueue([message("a"), message("b", 1)])
    work.take(0.0, NOON)
    work.note_not_sent(MessageId("a"))
    assert send(work) == ["b"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (WorkName("a"), "a"),
        (WorkName("x"), None),
        (WorkName("", "7-1"), "b"),
        (WorkName("", "7-2"), None),
        (WorkName(), None),
    ],
)
def test_a_frame_names_its_work(name: WorkName, found: str | None) -> None:
    work = with_hello(5)
    work.enqueue([message("a"), message("b", 1, execution_id=ExecutionId("7-1"))])
    send(work)
    one = work.find(name)
    assert (one.message.id if one else None) == found


def test_a_frame_that_names_nothing_is_about_the_only_work() -> None:
    work = with_hello()
    work.enqueue([message("a")])
    send(work)
    one = work.find(WorkName())
    assert one is not None
    assert one.message.id == "a"


def test_the_memory_of_what_earlier_clients_never_answer_is_bounded() -> None:
    work = SessionWork(0.0)
    work.enqueue([message(str(n), n) for n in range(QUEUE_MAX + 60)])
    while send(work, 1.0):
        pass
    assert len(work.open) == QUEUE_MAX
    assert MessageId("59") not in work.open


class LifeOfMessages(RuleBasedStateMachine):
    """Any order of what may happen: nothing is sent twice at once, nothing is forgotten."""

    messages = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self.now = 1.0
        self.work = SessionWork(0.0)
        self.queued: set[str] = set()
        self.leaving: dict[str, int] = {}
        self.attempts: dict[str, int] = {}
        self.ended: set[str] = set()
        self.limit: int | None = None

    @rule(target=messages, numbers=st.sets(st.integers(0, 30), max_size=5))
    def queue(self, numbers: set[int]) -> object:
        new = [str(n) for n in numbers if str(n) not in self.ended]
        self.work.enqueue([message(one, int(one)) for one in new])
        self.queued |= {one for one in new if one not in self.attempts | self.leaving}
        return multiple(*(str(n) for n in numbers))

    @rule(in_flight=st.integers(-1, 5))
    def say_hello(self, in_flight: int) -> None:
        self.work.hear_hello(Hello(sdk="", acks=True, in_flight=in_flight), self.now)
        self.limit = max(1, in_flight)

    @rule()
    def take(self) -> None:
        busy = sum(one.expects_ack for one in self.work.open.values()) + len(self.leaving)
        taken = ids(self.work.take(self.now, NOON))
        assert set(taken) <= self.queued
        if self.work.acks and taken:
            assert busy + len(taken) <= (self.limit or 1)
        self.queued -= set(taken)
        self.leaving |= dict.fromkeys(taken, 0)

    @rule(is_recorded=st.booleans())
    def push(self, is_recorded: bool) -> None:
        for one in list(self.leaving):
            del self.leaving[one]
            if is_recorded:
                self.attempts[one] = self.attempts.get(one, 0) + 1
                self.work.note_sent(MessageId(one), self.attempts[one], NOON, self.now)
            else:
                self.work.note_not_sent(MessageId(one))

    @rule(one=messages)
    def acknowledge(self, one: str) -> None:
        if self.work.find(WorkName(one)):
            self.work.acknowledge(MessageId(one))
            self.work.hear_ack(MessageId(one))
            self.limit = self.limit or 1

    @rule(one=messages)
    def end(self, one: str) -> None:
        if self.work.find(WorkName(one)):
            self.work.end(MessageId(one))
            self.ended.add(one)
            self.attempts.pop(one, None)

    @rule()
    def wait(self) -> None:
        self.now += ACK_SECONDS
        for one in self.work.overdue(self.now):
            assert not one.is_acked
            self.attempts[one.message.id] += 1
            self.work.note_sent(one.message.id, self.attempts[one.message.id], NOON, self.now)
        assert self.work.overdue(self.now) == []

    @invariant()
    def nothing_is_forgotten(self) -> None:
        assert set(ids(self.work.waiting)) == self.queued
        assert set(self.work.open) == set(self.attempts)
        lost = {one.id: one.attempt for one in self.work.unacknowledged()}
        assert lost.items() <= self.attempts.items()


TestLifeOfMessages = LifeOfMessages.TestCase
TestLifeOfMessages.settings = hypothesis_settings(max_examples=60, deadline=None)
