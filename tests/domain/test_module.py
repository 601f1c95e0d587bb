"""What identifies a module, and what a re-registration changes."""

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.module import compute_module_hash, normalise
from tests.support.builders import make_module, make_registration

texts = st.text(st.characters(codec="utf-8"))


@pytest.mark.parametrize(
    ("names", "digest"),
    [
        # printf '["load-forecast","",""]' | sha256sum
        (
            ("load-forecast", "", ""),
            "9f6111ffb7c6a0cf144598acc82d163fd1350704576b49a5a9400517b4e918f6",
        ),
        (
            ("负荷预测", "load", ""),
            "7161a5a89b9c8907ac18fa6116dac47c639fbbe5a2e04087ecedec799ca0f597",
        ),
        (("café", "", ""), "961d4e68c4abcb4f4bb2790264957866d2c7050b8cebcd1c76f7bd6e01a189e4"),
    ],
)
def test_the_hash_is_sha_256_over_the_compact_json_of_the_three_names(
    names: tuple[str, str, str], digest: str
) -> None:
    assert compute_module_hash(*names) == digest


def test_quotes_in_a_name_are_escaped_as_json_does() -> None:
    expected = hashlib.sha256(rb'["a\"b\\","",""]').hexdigest()
    assert compute_module_hash('a"b\\', "", "") == expected


def test_names_that_look_the_same_are_the_same() -> None:
    decomposed = unicodedata.normalize("NFD", "café")
    assert decomposed != "café"
    assert compute_module_hash(f"  {decomposed}\n", "", "") == compute_module_hash("café", "", "")


def test_what_is_missing_is_as_what_is_empty() -> None:
    assert compute_module_hash("a", None, None) == compute_module_hash("a", "", "")


@pytest.mark.parametrize(
    "names", [("a", "", ""), ("", "a", ""), ("", "", "a"), ("a,", "", ""), ('a","', "", "")]
)
def test_each_of_the_three_names_counts_in_its_place(names: tuple[str, str, str]) -> None:
    others = {("a", "", ""), ("", "a", ""), ("", "", "a"), ("a,", "", ""), ('a","', "", "")}
    mine = compute_module_hash(*names)
    assert all(mine != compute_module_hash(*other) for other in others - {names})


@given(texts, texts, texts)
def test_a_hash_does_not_change_by_normalising_twice(name: str, kind: str, model: str) -> None:
    digest = compute_module_hash(name, kind, model)
    assert digest == compute_module_hash(normalise(name), normalise(kind), normalise(model))
    assert len(digest) == 64


def test_a_registration_knows_its_hash() -> None:
    registration = make_registration(name="load-forecast")
    assert registration.module_hash == compute_module_hash("load-forecast", "", "")


def test_what_is_not_said_again_changes_nothing() -> None:
    module = make_module(description="Old", data_requirement=[1], input_data=[2], output_data=[3])
    assert make_registration(description=None).changes_to(module) == {}


def test_what_is_said_differently_is_a_change() -> None:
    module = make_module(description="Old", data_requirement=[1])
    said = make_registration(description="New", data_requirement=[1], output_data=[])
    assert said.changes_to(module) == {"description": ("Old", "New"), "output_data": (None, [])}


def test_tags_and_priority_are_the_operators_once_a_module_exists() -> None:
    module = make_module(tags=("set by an operator",), priority=1)
    said = make_registration(description=None, tags=("own",), priority=500)
    assert said.changes_to(module) == {}


@pytest.mark.parametrize(("before", "after"), [(1, True), (1, 1.0), ([0], [False])])
def test_json_values_that_python_takes_for_equal_are_a_change(before, after) -> None:
    module = make_module(description="", data_requirement=before)
    said = make_registration(description=None, data_requirement=after)
    assert "data_requirement" in said.changes_to(module)


def test_the_order_of_keys_is_no_change() -> None:
    module = make_module(description="", data_requirement={"a": 1, "b": [{"c": 2, "d": 3}]})
    said = make_registration(description=None, data_requirement={"b": [{"d": 3, "c": 2}], "a": 1})
    assert said.changes_to(module) == {}
