"""Cron lines: which are accepted, and when they are due; checked against a look at every minute."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.domain.cron import ALIASES, BadCron, due_times, expand_cron, next_due
from shared.domain.local_time import UnknownZone

MINUTE = timedelta(minutes=1)
NO_SHIFT = timedelta()
SHANGHAI, BERLIN = "Asia/Shanghai", "Europe/Berlin"
NEW_YORK, LORD_HOWE = "America/New_York", "Australia/Lord_Howe"
# Noon before clocks are put forward or back, in UTC; Shanghai's never are.
CHANGES = {
    SHANGHAI: ["2026-03-28", "2026-10-24"],
    BERLIN: ["2026-03-28", "2026-10-24"],
    NEW_YORK: ["2026-03-07", "2026-10-31"],
    LORD_HOWE: ["2026-04-04", "2026-10-03"],
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(zone: str, text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


# --- a second implementation: look at every minute ---


@dataclass(frozen=True)
class Line:
    """A cron line beside what its fields mean."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_fixed: bool
    needs_both_days: bool

    def matches(self, shown: datetime) -> bool:
        if shown.minute not in self.minutes or shown.hour not in self.hours:
            return False
        day, weekday = shown.day in self.days, shown.isoweekday() % 7 in self.weekdays
        right_day = day and weekday if self.needs_both_days else day or weekday
        return right_day and shown.month in self.months


def field(low: int, high: int, *often: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """A field as text, beside the numbers that it stands for; often from a narrower range."""
    number = st.integers(*often) if often else st.integers(low, high)
    every = frozenset(range(low, high + 1))
    step = st.integers(1, high)

    def some(numbers: list[int]) -> tuple[str, frozenset[int]]:
        return ",".join(map(str, numbers)), frozenset(numbers)

    def span(ends: list[int], step: int) -> tuple[str, frozenset[int]]:
        first, last = sorted(ends)
        return f"{first}-{last}/{step}", frozenset(range(first, last + 1, step))

    return st.one_of(
        st.just(("*", every)),
        st.builds(lambda n: (f"*/{n}", frozenset(range(low, high + 1, n))), step),
        st.lists(number, min_size=1, max_size=4, unique=True).map(some),
        st.builds(span, st.lists(number, min_size=2, max_size=2, unique=True), step),
    )


@st.composite
def lines(draw: st.DrawFn) -> Line:
    minute, hour = draw(field(0, 59)), draw(field(0, 23, 0, 3))
    # Mostly every day: the few days around a change shall be hit.
    day = draw(st.one_of(st.just(("*", frozenset(range(1, 32)))), field(1, 31)))
    month = draw(field(1, 12, 3, 11))
    weekday = draw(st.one_of(st.just(("*", frozenset(range(8)))), field(0, 7)))
    return Line(
        " ".join(text for text, _ in (minute, hour, day, month, weekday)),
        *(numbers for _, numbers in (minute, hour, day, month)),
        frozenset(number % 7 for number in weekday[1]),
        is_fixed=not minute[0].startswith("*") and not hour[0].startswith("*"),
        needs_both_days=day[0].startswith("*") or weekday[0].startswith("*"),
    )


@cache
def clock_face(zone: str, begin: datetime) -> list[tuple[datetime, datetime]]:
    """Each minute of three days, beside what a clock on the wall shows then."""
    every = (begin + MINUTE * n for n in range(3 * 24 * 60))
    clock = ZoneInfo(zone)
    return [(moment, moment.astimezone(clock).replace(tzinfo=None, fold=0)) for moment in every]


def look_at_every_minute(line: Line, zone: str, day: str) -> Iterator[datetime]:
    """Yield when a line is due: by what the clock on the wall shows, one minute after the other.

    A fixed time is due as soon as the clock shows it or is put past it, and not a second time.
    """
    latest: datetime | None = None
    for moment, shown in clock_face(zone, at(day)):
        passed = [shown]
        if line.is_fixed and latest:
            passed = [latest + MINUTE * n for n in range(1, int((shown - latest) / MINUTE) + 1)]
        latest = max(latest or shown, shown)
        if any(map(line.matches, passed)):
            yield moment


zones_and_days = st.sampled_from([(zone, day) for zone, days in CHANGES.items() for day in days])


def is_due_at_all(line: Line) -> bool:
    try:
        expand_cron(line.text)
    except BadCron:
        return False
    return True


@given(lines(), zones_and_days, st.integers(-90, 90))
def test_due_times_are_what_a_look_at_every_minute_finds(
    line: Line, place: tuple[str, str], shift_minutes: int
) -> None:
    assume(is_due_at_all(line))
    zone, day = place
    shift, begin = timedelta(minutes=shift_minutes), at(day) + timedelta(hours=6)
    end = begin + timedelta(hours=60)
    found = list(due_times([line.text], zone, shift, begin, end))
    wanted = [moment + shift for moment in look_at_every_minute(line, zone, day)]
    assert found == [moment for moment in wanted if begin <= moment < end]


@given(lines(), zones_and_days, st.integers(0, 60 * 60 * 60))
def test_the_next_due_time_is_the_first_one_after_any_moment(
    line: Line, place: tuple[str, str], seconds: int
) -> None:
    assume(is_due_at_all(line))
    zone, day = place
    after = at(day) + timedelta(hours=6, seconds=seconds)
    due = next_due([line.text], zone, NO_SHIFT, after)
    seen = (moment for moment in look_at_every_minute(line, zone, day) if moment > after)
    first = next(seen, None)
    assert due == first if first else due >= at(day) + timedelta(days=3)


# --- what people write ---


@pytest.mark.parametrize(
    ("zone", "begin", "wanted"),
    [
        (BERLIN, "2026-03-28T00:00", ["2026-03-28T02:30+01:00", "2026-03-29T03:00+02:00"]),
        (BERLIN, "2026-10-24T00:00", ["2026-10-24T02:30+02:00", "2026-10-25T02:30+02:00"]),
        (NEW_YORK, "2026-03-07T00:00", ["2026-03-07T02:30-05:00", "2026-03-08T03:00-04:00"]),
        (LORD_HOWE, "2026-10-03T00:00", ["2026-10-03T02:30+10:30", "2026-10-04T02:30+11:00"]),
    ],
)
def test_a_fixed_time_is_due_once_every_day(zone: str, begin: str, wanted: list[str]) -> None:
    first = local(zone, begin)
    found = list(due_times(["30 2 * * *"], zone, NO_SHIFT, first, first + timedelta(days=2)))
    assert found == [datetime.fromisoformat(moment) for moment in wanted]


def test_a_skipped_time_of_half_an_hour_is_due_when_clocks_are_put_forward() -> None:
    first = local(LORD_HOWE, "2026-10-04T00:00")
    assert next_due(["15 2 * * *"], LORD_HOWE, NO_SHIFT, first) == at("2026-10-03T15:30")


def test_every_ten_minutes_goes_on_through_an_hour_that_comes_twice() -> None:
    begin = local(BERLIN, "2026-10-25T02:00").astimezone(UTC)
    found = list(due_times(["*/10 * * * *"], BERLIN, NO_SHIFT, begin, begin + timedelta(hours=2)))
    assert found == [begin + timedelta(minutes=10 * n) for n in range(12)]


def test_several_lines_make_one_list_and_a_moment_in_two_of_them_comes_once() -> None:
    begin = at("2026-05-01T00:00")
    crons = ["0 9 * * *", "0 9,12 * * *", "30 10 * * *"]
    found = due_times(crons, "UTC", NO_SHIFT, begin, begin + timedelta(days=1))
    assert [moment.strftime("%H:%M") for moment in found] == ["09:00", "10:30", "12:00"]


@pytest.mark.parametrize(
    ("shift", "wanted"),
    [
        (timedelta(minutes=-15), "2026-05-01T08:45"),
        (timedelta(seconds=90), "2026-05-01T09:01:30"),
        (timedelta(days=-1), "2026-05-01T09:00"),
        (timedelta(days=1), "2026-05-01T09:00"),
    ],
)
def test_a_shift_moves_the_due_time(shift: timedelta, wanted: str) -> None:
    assert next_due(["0 9 * * *"], "UTC", shift, at("2026-05-01T00:00")) == at(wanted)


def test_a_moment_that_is_due_is_not_its_own_next_one() -> None:
    assert next_due(["0 9 * * *"], "UTC", NO_SHIFT, at("2026-05-01T09:00")) == at(
        "2026-05-02T09:00"
    )


def test_monday_to_friday_is_monday_to_friday() -> None:
    begin = at("2026-05-01T00:00")  # a Friday
    found = due_times(["0 9 * * 1-5"], "UTC", NO_SHIFT, begin, begin + timedelta(days=7))
    assert [moment.strftime("%a") for moment in found] == ["Fri", "Mon", "Tue", "Wed", "Thu"]


@pytest.mark.parametrize("sunday", ["0", "7", "SUN", "sun"])
def test_sunday_has_two_numbers_and_a_name(sunday: str) -> None:
    line = expand_cron(f"0 9 * * {sunday}")
    assert next_due([line], "UTC", NO_SHIFT, at("2026-05-01T00:00")) == at("2026-05-03T09:00")


def test_a_leap_day_is_found_years_ahead() -> None:
    due = next_due(["0 0 29 2 *"], SHANGHAI, NO_SHIFT, at("2026-05-01T00:00"))
    assert due == local(SHANGHAI, "2028-02-29T00:00")


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_is_shown_expanded(alias: str) -> None:
    assert expand_cron(f" {alias.upper()} ") == ALIASES[alias]


def test_a_line_is_kept_with_one_space_between_its_fields() -> None:
    assert expand_cron("  0\t9  * * mon-fri ") == "0 9 * * MON-FRI"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("* * * *", "'* * * *' has 4 fields; it must have 5"),
        ("0 * * * * *", "'0 * * * * *' has 6 fields; it must have 5"),
        ("", "'' has 0 fields; it must have 5"),
        ("61 * * * *", "'61 * * * *' has the minute '61': it must be 0 to 59"),
        ("0 24 * * *", "has the hour '24': it must be 0 to 23"),
        ("0 0 0 * *", "has the day of the month '0': it must be 1 to 31"),
        ("0 0 * 13 *", "has the month '13': it must be 1 to 12, or JAN to DEC"),
        ("0 0 * * 8", "has the day of the week '8': it must be 0 to 7"),
        ("0 0 * * 5-1", "has the day of the week '5-1'"),
        ("*/0 * * * *", "has the minute '*/0'"),
        ("1,,2 * * * *", "has the minute '1,,2'"),
        ("٣ * * * *", "has the minute '٣'"),
        ("@reboot", "is no alias known here: @yearly, @annually, @monthly"),
        ("0 0 30 2 *", "'0 0 30 2 *' is never due: no month of it has such a day"),
        ("0 0 31 4,6,9,11 *", "is never due"),
        ("0 0 " + "1," * 60 + "1 * *", "is longer than 100 characters"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused_by_a_sentence(line: str, sentence: str) -> None:
    with pytest.raises(BadCron) as refused:
        expand_cron(line)
    assert sentence in str(refused.value)


def test_a_line_that_was_stored_by_others_is_refused_when_it_is_asked_for() -> None:
    with pytest.raises(BadCron, match="has 3 fields"):
        next_due(["0 9 *"], "UTC", NO_SHIFT, at("2026-05-01T00:00"))


@pytest.mark.parametrize("zone", ["Mars/Olympus", "America", "../etc/passwd", "/etc/passwd", ""])
def test_a_zone_that_nobody_knows_is_refused_by_a_sentence(zone: str) -> None:
    with pytest.raises(
        UnknownZone, match="is no time zone known here: give an IANA name such as Asia/Shanghai"
    ):
        next_due(["0 9 * * *"], zone, NO_SHIFT, at("2026-05-01T00:00"))
