"""Steps that come after others: names, circles."""

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.step_order import find_order_problems


def texts(*steps: tuple[str, list[str]]) -> list[tuple[int, str, str]]:
    return [(found.position, found.field, found.text) for found in find_order_problems(steps)]


def test_steps_that_come_after_others_have_an_order() -> None:
    assert texts(("a", []), ("c", ["a", "b"]), ("b", ["a"])) == []


def test_a_circle_is_named_in_its_own_order() -> None:
    (problem,) = texts(("start", []), ("a", ["start", "c"]), ("b", ["a"]), ("c", ["b"]))
    assert problem[1:] in {
        ("after", "makes a circle: 'a' after 'c' after 'b' after 'a'"),
        ("after", "makes a circle: 'b' after 'a' after 'c' after 'b'"),
        ("after", "makes a circle: 'c' after 'b' after 'a' after 'c'"),
    }


def test_a_step_cannot_come_after_itself() -> None:
    assert texts(("a", ["a"])) == [(0, "after", "makes a circle: 'a' after 'a'")]


def test_a_step_cannot_come_after_what_is_none() -> None:
    assert texts(("a", ["b"])) == [(0, "after", "names 'b', which is no step of this workflow")]


def test_two_steps_cannot_have_one_name() -> None:
    (problem,) = texts(("a", []), ("a", []))
    assert problem[:2] == (1, "name")


@given(st.lists(st.lists(st.integers(0, 7), max_size=4), min_size=1, max_size=8))
def test_steps_are_refused_exactly_when_some_can_never_start(after: list[list[int]]) -> None:
    count = len(after)
    steps = [(str(n), [str(other % count) for other in others]) for n, others in enumerate(after)]
    done: set[str] = set()
    for _ in steps:
        done |= {name for name, others in steps if set(others) <= done}
    assert bool(find_order_problems(steps)) == (len(done) < count)
