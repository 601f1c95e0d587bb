"""Working time: monotonic, and still while the process is frozen."""

from wsd.working_clock import WorkingClock


def test_working_time_stands_still_while_frozen() -> None:
    seconds = 100.0
    clock = WorkingClock(lambda: seconds)
    deadline = clock.now() + 30
    clock.leave_out(40)
    seconds = 145
    assert clock.now() < deadline
    seconds = 170
    assert clock.now() == deadline


def test_gaps_add_up() -> None:
    clock = WorkingClock(lambda: 100.0)
    clock.leave_out(3)
    clock.leave_out(4)
    assert clock.now() == 93
