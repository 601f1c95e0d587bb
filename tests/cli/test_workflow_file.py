"""Workflow files: what JSON and YAML say, and on which line something is wrong."""

import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cli.workflow_file import _Reader, format_workflow_file, open_workflow_file
from shared.domain.workflow_document import to_file
from shared.settings import PROJECT_DIR
from tests.support.builders import make_step, make_workflow

YAML = """\
name: load-72h
execute_cron_list:
  - 30 9 * * 1-5
  - "*/10 * * * *"
steps:
  - name: weather
    module: weather
  - module: load
    after: [weather]
    args: {horizon: 72, factor: 1.5e-3, day: 2026-01-01, time: 9:30, answer: yes, on: true, no: ~}
"""


def write(directory: Path, text: str | bytes, name: str = "workflow.yaml") -> str:
    file = directory / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(file)


def refusal(file: str) -> str:
    with pytest.raises(click.ClickException) as refused:
        open_workflow_file(file).read()
    return refused.value.message.replace(f"{Path(file).parent}/", "")


def test_yaml_says_what_json_can_say(tmp_path: Path) -> None:
    draft = open_workflow_file(write(tmp_path, YAML)).read()
    assert draft.crons == ("30 9 * * 1-5", "*/10 * * * *")
    assert draft.steps[1].after == ("weather",)
    assert draft.steps[1].args == {
        "horizon": 72,
        "factor": 0.0015,
        "day": "2026-01-01",
        "time": "9:30",
        "answer": "yes",
        "on": True,
        "no": None,
    }


@pytest.mark.parametrize("name", ["workflow.json", "workflow"])
def test_json_is_read_whatever_the_file_is_called(tmp_path: Path, name: str) -> None:
    text = '{"name": "a", "execute_cron_list": ["@daily"],\n\t"steps": [{"module": 1}]}'
    assert open_workflow_file(write(tmp_path, text, name)).read().name == "a"


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(YAML.encode())))
    assert open_workflow_file("-").read().name == "load-72h"


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
WORDS = st.sampled_from(
    ["1e3", "yes", "on", "null", "~", "", "007", "9:30", "2026-01-01", "1_000", "*"]
)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | WORDS, inner, max_size=3),
    max_leaves=8,
)


@example({"\x85": "a\x85b"})
@given(st.dictionaries(TEXTS | WORDS, VALUES, min_size=1, max_size=4))
def test_what_is_printed_as_a_file_is_read_as_it_was(args: dict[str, Any]) -> None:
    file = to_file(make_workflow(steps=(make_step(args=args),)))
    text = format_workflow_file(file)
    assert _Reader("a file").read(text).value["steps"][0]["args"] == args


def test_the_example_is_a_workflow() -> None:
    draft = open_workflow_file(str(PROJECT_DIR / "examples" / "workflow.yaml")).read()
    assert [step.name for step in draft.steps] == ["weather", "load"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (YAML.replace("30 9", "61 9"), "workflow.yaml:3: execute_cron_list[0] '61 9 * * 1-5' has"),
        (YAML.replace("[weather]", "[wether]"), "workflow.yaml:9: steps[1].after names 'wether'"),
        (YAML.replace("module: load", "modul: load"), "workflow.yaml:8: steps[1].modul is not"),
        (YAML.replace("name: load-72h", "overlap: 5"), "workflow.yaml:1: overlap must be one of"),
        (YAML.replace("name: load-72h", ""), "workflow.yaml: name is required"),
    ],
)
def test_a_problem_is_told_with_its_line(tmp_path: Path, text: str, place: str) -> None:
    assert place in refusal(write(tmp_path, text))


def test_a_problem_in_json_is_told_with_its_line_too(tmp_path: Path) -> None:
    text = (
        '{\n\t"name": "a",\n\t"execute_cron_list": ["@daily"],\n\t"steps":\n\t[{"module": ""}]\n}'
    )
    file = write(tmp_path, text, "w.json")
    assert refusal(file) == "w.json:5: steps[0].module must not be empty."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: */10 * * * *", ":1: what begins with a star must stand in quotes"),
        ("a: * * * * *", ":1: what begins with a star must stand in quotes"),
        ("a: &b [1]\nc: *b", ":1: anchors and aliases are not read here"),
        ("a: &b [*b]", ":1: anchors and aliases are not read here"),
        ("a: 1\na: 2", ":2: a is given a second time"),
        ("? [a]\n: b", ":1: a name must be text"),
        ("a: [1\nb: 2", ":2: while parsing a flow sequence"),
        ("a: !!python/object:os.system x", ":1: !!python/object:os.system is not read here"),
        ("a: !!int x", ":1: !!int is not read here"),
        ("a: 123456789012345678901", ":1: has an integer that does not fit into 64 bits"),
        ("a: 1\n---\nb: 2", ":2: expected a single document"),
        ("a: " + "[" * 3000, "is nested too deep"),
        ("a: \x00", "is not YAML"),
        ("", "A workflow must be an object with a name"),
        ("- a", "A workflow must be an object with a name"),
        (b"a: \xff", "is not UTF-8"),
        (b" " * (2**21 + 1), "is larger than 2 MiB"),
        ('{"a": 1,}', "is not JSON: Expecting property name"),
        ('{"a": 1, "a": 2}', "has the key 'a' more than once"),
    ],
)
def test_what_is_no_workflow_is_refused_by_a_sentence(
    tmp_path: Path, text: str | bytes, sentence: str
) -> None:
    assert sentence in refusal(write(tmp_path, text))


@pytest.mark.parametrize(("name", "why"), [("none.yaml", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, why: str) -> None:
    assert f"cannot be read: {why}" in refusal(str(tmp_path / name))


@pytest.mark.parametrize("value", ["[1, 2]", "null", "true", "1.5", "text"])
def test_the_lines_of_anything_are_found_without_a_crash(tmp_path: Path, value: Any) -> None:
    assert "must be an object" in refusal(write(tmp_path, value))
