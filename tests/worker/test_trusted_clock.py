"""The wall clock is trusted only while the steady one and the database server's agree with it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.event import CLOCK_DISTRUSTED, CLOCK_TRUSTED, worker_subject
from shared.domain.event_words import Doubt
from shared.store import Store
from tests.support.builders import NOON
from worker.trusted_clock import ClockJudge, ClockReader, Reading, TrustedClock, read_clocks

MONTH = timedelta(days=31)
WORKER = worker_subject("host-a", 10083)


def reading(passed: timedelta = timedelta(0), *, wall: timedelta = timedelta(0)) -> Reading:
    """Read the clocks so long after noon; `wall` is what ours and the server's are ahead."""
    shown = NOON + passed + wall
    return Reading(wall=shown, steady_seconds=1000 + passed.total_seconds(), server=shown)


def test_clocks_that_go_on_together_are_trusted() -> None:
    judge = ClockJudge()
    for hours in range(0, 100, 7):
        judgement = judge.judge(reading(timedelta(hours=hours)))
        assert (judgement.doubt, judgement.likely) == (None, NOON + timedelta(hours=hours))


@pytest.mark.parametrize("jump", [MONTH, -MONTH, timedelta(seconds=61)])
def test_a_jump_ends_the_trust_until_it_is_undone(jump: timedelta) -> None:
    judge = ClockJudge()
    judge.judge(reading())
    jumped = judge.judge(reading(timedelta(minutes=1), wall=jump))
    assert (jumped.doubt, jumped.off_by) == (Doubt.JUMPED, jump)
    assert jumped.likely == NOON + timedelta(minutes=1)
    assert judge.judge(reading(timedelta(days=1), wall=jump)).doubt is Doubt.JUMPED
    assert judge.judge(reading(timedelta(days=2))).doubt is None


def test_small_corrections_are_trusted_however_many_there_are() -> None:
    judge = ClockJudge()
    for count in range(100):
        passed, corrected = timedelta(hours=count), timedelta(seconds=30 * count)
        assert judge.judge(reading(passed, wall=corrected)).doubt is None


def test_a_database_whose_clock_differs_ends_the_trust() -> None:
    judge = ClockJudge()
    ahead = replace(reading(wall=MONTH), server=NOON)
    judgement = judge.judge(ahead)
    assert (judgement.doubt, judgement.off_by) == (Doubt.DIFFERS, MONTH)
    assert judgement.likely == NOON
    assert judge.judge(reading()).doubt is None


def test_the_real_clocks_agree(store: Store) -> None:
    now = read_clocks(store)
    assert abs(now.server - now.wall) < timedelta(seconds=5)
    assert now.wall.tzinfo is UTC
    assert TrustedClock(store, WORKER).judge().doubt is None


def test_between_two_questions_the_servers_clock_goes_on_with_the_steady_one(store: Store) -> None:
    read = ClockReader()
    asked, soon = read(store), read(store)
    passed = timedelta(seconds=soon.steady_seconds - asked.steady_seconds)
    assert soon.server == asked.server + passed


class Clocks:
    """Clocks that a test sets."""

    def __init__(self) -> None:
        self.passed = timedelta(0)
        self.ahead = timedelta(0)

    def __call__(self, _store: Store) -> Reading:
        return reading(self.passed, wall=self.ahead)


def told(store: Store) -> list[tuple[str, str | None, datetime]]:
    """Return what was recorded about the worker's clock."""
    return [(e.what, e.reason, e.at) for e in store.events.find(subject=WORKER)]


def test_a_jump_and_its_end_are_one_event_each(store: Store) -> None:
    clocks = Clocks()
    clock = TrustedClock(store, WORKER, clocks)
    for minute, ahead in enumerate([timedelta(0), MONTH, MONTH, timedelta(0), timedelta(0)]):
        clocks.passed, clocks.ahead = timedelta(minutes=minute), ahead
        clock.judge()
    assert told(store) == [
        (CLOCK_DISTRUSTED, Doubt.JUMPED, NOON + timedelta(minutes=1)),
        (CLOCK_TRUSTED, None, NOON + timedelta(minutes=3)),
    ]


def test_a_restart_trusts_the_clock_again_and_says_so(store: Store) -> None:
    clocks = Clocks()
    before = TrustedClock(store, WORKER, clocks)
    before.judge()
    clocks.ahead = MONTH
    assert before.judge().doubt is Doubt.JUMPED
    assert TrustedClock(store, WORKER, clocks).judge().doubt is None
    assert [what for what, _, _ in told(store)] == [CLOCK_DISTRUSTED, CLOCK_TRUSTED]
