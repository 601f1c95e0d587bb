"""A workflow as people write it: what is read, and every sentence about what is wrong."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.json_document import read_json
from shared.domain.workflow import Misfire, Overlap, ShiftUnit
from shared.domain.workflow_file import FIELDS, BadWorkflow, WorkflowDraft, read_workflow

HASH = "a" * 64


def document(**overrides: Any) -> dict[str, Any]:
    smallest: dict[str, Any] = {
        "name": "load-72h",
        "execute_cron_list": ["30 9 * * 1-5"],
        "steps": [{"module": "load"}],
    }
    return {key: value for key, value in (smallest | overrides).items() if value is not ...}


def read(**overrides: Any) -> WorkflowDraft:
    return read_workflow(document(**overrides))


def problems(**overrides: Any) -> list[str]:
    with pytest.raises(BadWorkflow) as refused:
        read(**overrides)
    return [str(problem) for problem in refused.value.problems]


def test_the_smallest_workflow_has_the_defaults_of_the_platform() -> None:
    draft = read()
    assert draft.workflow_id is None
    assert draft.enabled
    assert draft.timezone == "Asia/Shanghai"
    assert (draft.shift_time, draft.shift_unit) == (0, ShiftUnit.SECOND)
    assert (draft.overlap, draft.misfire) == (Overlap.SKIP, Misfire.LATEST_ONLY)
    assert (draft.timeout_seconds, draft.start_timeout_seconds, draft.retries) == (120.0, None, 3)
    assert [(step.name, step.args, step.after) for step in draft.steps] == [("load", {}, ())]


def test_everything_that_is_said_is_read() -> None:
    draft = read(
        workflow_id=7,
        description="Tomorrow's load\nfor everybody",
        enable=False,
        execute_cron_list=["@daily", " 0 12 * *  * "],
        timezone="Europe/Berlin",
        execute_shift_time=-15,
        execute_shift_unit="min",
        overlap="queue",
        misfire="skip",
        timeout_seconds=600,
        start_timeout_seconds=45.5,
        retries=0,
        expected_within_seconds=900,
        pause_after_failures=5,
        steps=[
            {"name": "weather", "missionKind": "weather", "fallback": ["old-weather", 12]},
            {"name": "load", "module": 3, "after": ["weather"], "args": {"a.b": [1, None]}},
        ],
    )
    assert draft.workflow_id == 7
    assert not draft.enabled
    assert draft.crons == ("0 0 * * *", "0 12 * * *")
    assert (draft.shift_time, draft.shift_unit) == (-15, ShiftUnit.MINUTE)
    assert (draft.overlap, draft.misfire, draft.retries) == (Overlap.QUEUE, Misfire.SKIP, 0)
    weather, load = draft.steps
    assert (weather.mission_kind, weather.module) == ("weather", None)
    assert [reference.text for reference in weather.references] == ["old-weather", "12"]
    assert load.module is not None
    assert load.module.text == "3"
    assert (load.after, load.args) == (("weather",), {"a.b": [1, None]})


def test_the_modules_of_earlier_clients_are_steps_beside_each_other() -> None:
    draft = read(
        steps=...,
        execute_modules=[
            HASH,
            {"name": "load", "args": {"x": 1}},
            {"module_hash": HASH, "name": "n"},
        ],
    )
    assert [step.name for step in draft.steps] == ["step-1", "step-2", "step-3"]
    assert [step.module.text for step in draft.steps if step.module] == [HASH, "load", HASH]
    assert draft.steps[1].args == {"x": 1}


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ({"name": ...}, "name is required"),
        ({"name": " "}, "name must not be empty"),
        ({"name": "n" * 101}, "name must not be longer than 100 characters"),
        ({"name": "a\nb"}, "name must not contain control characters"),
        ({"name": 5}, "name must be text"),
        ({"name": "\ud800"}, "name contains half a surrogate pair"),
        ({"description": "d" * 501}, "description must not be longer than 500 characters"),
        ({"workflow_id": 0}, "workflow_id must be from 1 to 9007199254740992"),
        ({"workflow_id": 2**63}, "workflow_id must be from 1 to 9007199254740992"),
        ({"workflow_id": "7"}, "workflow_id must be a number"),
        ({"workflow_id": 1.5}, "workflow_id must be a whole number"),
        ({"enable": "yes"}, "enable must be true or false"),
        ({"execute_cron_list": ...}, "execute_cron_list is required"),
        ({"execute_cron_list": []}, "execute_cron_list must have a cron line"),
        ({"execute_cron_list": "0 9 * * *"}, "execute_cron_list must be a list of cron lines"),
        (
            {"execute_cron_list": ["@daily"] * 101},
            "execute_cron_list must not have more than 100 items",
        ),
        ({"execute_cron_list": [5]}, "execute_cron_list[0] must be text, such as '30 9 * * 1-5'"),
        (
            {"execute_cron_list": ["@daily", "61 * * * *"]},
            "execute_cron_list[1] '61 * * * *' has the minute '61': it must be 0 to 59",
        ),
        (
            {"execute_cron_list": ["0 0 30 2 *"]},
            "execute_cron_list[0] '0 0 30 2 *' is never due: no month of it has such a day",
        ),
        (
            {"timezone": "Mars/Olympus"},
            "timezone 'Mars/Olympus' is no time zone known here: "
            "give an IANA name such as Asia/Shanghai",
        ),
        ({"execute_shift_unit": "w"}, "execute_shift_unit must be one of: s, min, h, D"),
        ({"execute_shift_unit": ["h"]}, "execute_shift_unit must be one of: s, min, h, D"),
        ({"execute_shift_time": 1.5}, "execute_shift_time must be a whole number"),
        (
            {"execute_shift_time": 367, "execute_shift_unit": "D"},
            "execute_shift_time must be from -366 to 366",
        ),
        ({"overlap": "maybe"}, "overlap must be one of: skip, queue, allow"),
        ({"misfire": "all"}, "misfire must be one of: latest_only, skip"),
        ({"timeout_seconds": 0}, "timeout_seconds must be from 0.1 to 604800"),
        ({"start_timeout_seconds": 1e-320}, "start_timeout_seconds must be from 0.1 to 604800"),
        ({"timeout_seconds": True}, "timeout_seconds must be a number"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds must be a number"),
        ({"start_timeout_seconds": 1e9}, "start_timeout_seconds must be from 0.1 to 604800"),
        ({"expected_within_seconds": -1}, "expected_within_seconds must be from 0.1 to 604800"),
        ({"retries": -1}, "retries must be from 0 to 100"),
        ({"pause_after_failures": 2.5}, "pause_after_failures must be a whole number"),
        ({"steps": ...}, "steps is required"),
        ({"steps": []}, "steps must not be empty: it names the modules that run"),
        ({"steps": {}}, "steps must be a list of steps"),
        ({"steps": ["load"]}, "steps[0] must be an object"),
        ({"steps": [{}]}, "steps[0] needs either a module or a missionKind"),
        (
            {"steps": [{"module": "a", "missionKind": "b"}]},
            "steps[0] needs either a module or a missionKind",
        ),
        ({"steps": [{"module": ""}]}, "steps[0].module must not be empty"),
        ({"steps": [{"module": [HASH]}]}, "steps[0].module must be text"),
        ({"steps": [{"module": "a", "args": [1]}]}, "steps[0].args must be a JSON object"),
        ({"steps": [{"module": "a", "args": "{}"}]}, "steps[0].args must be a JSON object"),
        (
            {"steps": [{"module": "a", "args": read_json('{"x":{"y":1,"y":2}}')}]},
            "steps[0].args has the key 'y' more than once",
        ),
        (
            {"steps": [{"module": "a", "args": read_json('{"x":[1e999]}')}]},
            "steps[0].args has the number 1e999, which no 64-bit float can hold",
        ),
        (
            {"steps": [{"module": "a", "args": read_json('{"x":%s}' % ("9" * 5000))}]},
            "steps[0].args has an integer that does not fit into 64 bits",
        ),
        (
            {"steps": [{"module": "a", "args": read_json(r'{"x":"\ud800"}')}]},
            "steps[0].args contains half a surrogate pair",
        ),
        (
            {"steps": [{"module": "a", "args": {"x": read_json("[" * 64 + "]" * 64)}}]},
            "steps[0].args is nested more than 64 levels deep",
        ),
        (
            {"steps": [{"module": "a", "args": {"x": float("inf")}}]},
            "steps[0].args has a number that is not finite",
        ),
        (
            {"steps": [{"module": "a", "args": {"x": "y" * 2**17}}]},
            "steps[0].args is larger than 128 KiB",
        ),
        (
            {"steps": [{"name": n, "module": "a", "args": {"x": "y" * 90_000}} for n in "abc"]},
            "steps have args of more than 256 KiB together",
        ),
        (
            {"steps": [{"module": "a", "fallback": "b"}]},
            "steps[0].fallback must be a list of modules",
        ),
        (
            {"steps": [{"module": "a", "arg": {}}]},
            "steps[0].arg is not known here; do you mean args?",
        ),
        (
            {"steps": [{"module": "a", "after": ["b"]}]},
            "steps[0].after names 'b', which is no step of this workflow",
        ),
        (
            {"steps": [{"module": "a", "after": ["b"]}, {"module": "b", "after": ["a"]}]},
            "steps[0].after makes a circle: 'a' after 'b' after 'a'",
        ),
        (
            {"steps": [{"module": "a"}, {"module": "a"}]},
            "steps[1].name is 'a' a second time: give each step a name of its own",
        ),
        ({"execute_modules": [HASH]}, "execute_modules must not be given beside steps"),
        (
            {"steps": ..., "execute_modules": []},
            "execute_modules must not be empty: it names the modules that run",
        ),
        ({"steps": ..., "execute_modules": [None]}, "execute_modules[0] must be text"),
        (
            {"steps": ..., "execute_modules": [{"args": {}}]},
            "execute_modules[0] needs a module_hash or a name",
        ),
        ({"timeout": 40}, "timeout is not known here; do you mean timeout_seconds?"),
        (
            {"execute_cron_lists": ["@daily"]},
            "execute_cron_lists is not known here; do you mean execute_cron_list?",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(overrides: dict[str, Any], problem: str) -> None:
    assert problems(**overrides) == [problem]


def test_every_problem_is_told_at_once() -> None:
    assert len(problems(name=..., timezone="Mars", overlap=1, retries=-1, steps=[{}])) == 5


def test_args_that_python_would_change_are_refused_by_name() -> None:
    args = read_json('{"x": 1, "x": 2}')
    (problem,) = problems(steps=[{"module": "a", "args": args}])
    assert problem == "steps[0].args has the key 'x' more than once"


@pytest.mark.parametrize("value", [None, [], "load", 5])
def test_what_is_no_object_is_no_workflow(value: object) -> None:
    with pytest.raises(BadWorkflow, match="must be an object"):
        read_workflow(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
STEP = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("name", "module", "missionKind", "fallback", "args", "after"), JSON),
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON | st.lists(STEP, max_size=3))))
def test_nothing_that_json_can_say_is_a_crash(words: dict[str, Any]) -> None:
    for value in (words, document() | words):
        try:
            read_workflow(value)
        except BadWorkflow as refused:
            assert refused.problems  # noqa: PT017
