"""Which JSON can be kept."""

import json
import math
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.json_document import INT64_MAX, INT64_MIN, MAX_DEPTH, find_json_problem

keys = st.text(st.characters(codec="utf-8"), min_size=1)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
json_values = st.recursive(
    scalars, lambda children: st.lists(children) | st.dictionaries(st.text(), children)
)
storable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(INT64_MIN, INT64_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\x00")),
    lambda children: (
        st.lists(children)
        | st.dictionaries(
            st.text(st.characters(codec="utf-8", exclude_characters="\x00.$"), min_size=1), children
        )
    ),
)


@given(storable)
def test_what_the_database_keeps_has_no_problem(value: Any) -> None:
    assert find_json_problem(value) is None


@given(json_values)
def test_what_has_no_problem_survives_the_database(value: Any) -> None:
    if find_json_problem(value) is None:
        assert bson.decode(bson.encode({"value": value})) == {"value": value}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (2**63, "an integer that does not fit into 64 bits"),
        (-(2**63) - 1, "an integer that does not fit into 64 bits"),
        (math.nan, "not finite"),
        (math.inf, "not finite"),
        ("a\x00b", "the character NUL"),
        ("\ud800", "half a surrogate pair"),
        ({"": 1}, "an empty key"),
        ({"$set": 1}, "must not start with '$'"),
        ({"a.b": 1}, "must not contain '.'"),
        ({"a\x00": 1}, "the character NUL"),
        ({"\udfff": 1}, "half a surrogate pair"),
    ],
)
def test_a_problem_is_found_however_deep_it_lies(value: Any, problem: str) -> None:
    for wrapped in (value, [value], {"a": [{"b": value}]}):
        assert problem in (find_json_problem(wrapped) or "")


@pytest.mark.parametrize("value", [INT64_MIN, INT64_MAX, 1.5, "", "$", {"a$": 1}, {"é": []}, {}])
def test_what_only_looks_odd_is_kept(value: Any) -> None:
    assert find_json_problem(value) is None


def nest(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_depth_is_counted_to_the_innermost_value() -> None:
    assert find_json_problem(nest(MAX_DEPTH - 1)) is None
    assert find_json_problem(nest(MAX_DEPTH)) == "is nested more than 64 levels deep"


def test_depth_is_an_answer_and_not_a_crash() -> None:
    assert find_json_problem(nest(100_000)) is not None


def test_a_long_key_is_not_repeated_in_full() -> None:
    problem = find_json_problem(json.loads('{"$%s": 1}' % ("x" * 100_000)))
    assert problem is not None
    assert len(problem) < 200
