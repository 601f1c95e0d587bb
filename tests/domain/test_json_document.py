"""Which JSON can be kept."""

import json
import math
import time
from decimal import Context, Decimal
from typing import Any

import bson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.domain.json_document import (
    INT64_MAX,
    INT64_MIN,
    MAX_DEPTH,
    Lost,
    NotJson,
    cut_object,
    find_json_problem,
    read_json,
)

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


@given(storable)
def test_json_is_read_as_it_was_written(value: Any) -> None:
    assert json.dumps(read_json(json.dumps(value))) == json.dumps(value)
    assert json.dumps(read_json(json.dumps(value, ensure_ascii=False).encode())) == json.dumps(
        value
    )


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 40))
def test_any_number_of_a_floats_own_digits_is_kept(value: float, digits: int) -> None:
    """Other languages write more digits than Python, or fewer."""
    text = f"{value:.{digits}e}"
    assume(math.isfinite(float(text)))
    assert read_json(text) == float(text)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_is_kept_or_lost_but_never_another_one(number: Decimal) -> None:
    value = read_json(f"{number:e}")
    if not isinstance(value, Lost):
        exponent = number.normalize(Context(prec=2000)).as_tuple().exponent
        assert abs(Decimal(value) - number) <= Decimal((0, (5,), exponent - 1))


@pytest.mark.parametrize(
    "text", ["1e-400", "-1e400", "3e-324", "1.00000000000000000001", "1e99999"]
)
def test_a_number_that_no_float_can_hold_is_lost(text: str) -> None:
    assert text in (find_json_problem(read_json(f"[{text}]")) or "")


@pytest.mark.parametrize(
    "text", ["0.1", "0.10000000000000001", "1e23", "0e5", "-0.0", "1E5", "5.960464477539063e-8"]
)
def test_usual_numbers_are_kept(text: str) -> None:
    assert read_json(text) == float(text)


def test_the_key_that_stands_twice_is_named_however_deep_it_lies() -> None:
    problem = find_json_problem(read_json('[{"a": {"b": 1, "c": 2, "b": 1}}]'))
    assert problem == "has the key 'b' more than once"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{'a': 1}",
        "[NaN]",
        "[-Infinity]",
        "[01]",
        "[1.]",
        "[1,]",
        "1 2",
        '"\n"',
        b"\xff",
        "\ufeff1",
    ],
)
def test_what_is_not_json(text: str | bytes) -> None:
    with pytest.raises(NotJson, match="is not JSON"):
        read_json(text)


@pytest.mark.parametrize("brackets", ["[]", ('{"a":', "}")])
@pytest.mark.parametrize("levels", [2_000, 100_000])
def test_json_that_is_too_deep_to_read(brackets: str, levels: int) -> None:
    opening, closing = brackets
    with pytest.raises(NotJson, match="nested more than 64 levels"):
        read_json(opening * levels + "1" + closing * levels)


def test_large_json_is_read_in_time() -> None:
    numbers = ",".join(["0.1234567890123456789"] * 10_000)
    started = time.process_time()
    read_json(f"[{numbers}]")
    keys = ",".join(f'"{number}":1' for number in [*range(100_000), 99_999])
    assert read_json(f"{{{keys}}}") == Lost("has the key '99999' more than once")
    assert time.process_time() - started < 1


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_space = st.text(" \t\r\n", max_size=2)


@given(
    st.dictionaries(st.text(), st.tuples(_values, _space, _space), max_size=4),
    _space,
    st.booleans(),
)
def test_an_object_is_cut_into_the_texts_of_its_values(
    parts: dict[str, tuple[Any, str, str]], space: str, is_ascii: bool
) -> None:
    texts = {key: json.dumps(value, ensure_ascii=is_ascii) for key, (value, _, _) in parts.items()}
    pairs = [
        f"{before}{json.dumps(key, ensure_ascii=is_ascii)}{after}:{after}{texts[key]}{before}"
        for key, (_, before, after) in parts.items()
    ]
    body = f"{space}{{{space}{','.join(pairs)}{space}}}{space}"
    assert isinstance(read_json(body), dict)
    assert cut_object(body) == texts
