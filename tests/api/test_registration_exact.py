"""What a module registers with comes back as it was written, or is refused by its name."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import create_app
from shared.domain.json_document import INT64_MAX, INT64_MIN
from shared.settings import Settings
from shared.store import Store
from tests.api.conftest import OnlineMaker

FIELDS = ("dataRequirement", "input_data", "output_data")
COMPATIBILITY = "\uf900\ufa1e"  # NFC rewrites them to other characters, which look alike
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
keys = st.text(st.characters(codec="utf-8", exclude_characters="\x00.$"), min_size=1, max_size=8)
numbers = (
    st.integers(INT64_MIN, INT64_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0.0, -0.0, 0.1, 5e-324, 2.0**53, 1e22, INT64_MIN, INT64_MAX])
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(keys, children, max_size=4),
    max_leaves=12,
)
documents = st.lists(values, max_size=4) | st.dictionaries(keys, values, max_size=4)
over_http = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def written(value: Any) -> str:
    """Return a value as text that tells 1 from 1.0, 0.0 from -0.0, and each order of keys."""
    return json.dumps(value)


def show(client: FlaskClient, registered: Any) -> Any:
    """Return the module that an answer to a registration names, by the standard library's eyes."""
    assert registered.status_code in (200, 201), registered.data
    answer = client.get(f"/module/{registered.json['result']['hash']}")
    return json.loads(answer.data)["result"]


@over_http
@given(said=st.fixed_dictionaries(dict.fromkeys(FIELDS, documents)), description=texts)
def test_what_is_accepted_comes_back_equal(
    client: FlaskClient, said: dict[str, Any], description: str
) -> None:
    body = json.dumps({"name": "load", "description": description, **said})
    answer = client.post("/module/register", data=body, content_type="application/json")
    shown = show(client, answer)
    assert {key: written(shown[key]) for key in FIELDS} == {
        key: written(value) for key, value in said.items()
    }
    assert shown["description"] == description


@over_http
@given(said=documents)
def test_texts_of_a_query_come_back_equal(client: FlaskClient, said: Any) -> None:
    query = {"name": "load", "input_data": json.dumps(said, ensure_ascii=False)}
    shown = show(client, client.get("/module/register", query_string=query))
    assert written(shown["input_data"]) == written(said)


@settings(over_http, max_examples=20)
@given(said=documents)
def test_listings_show_it_equal(
    settings: Settings, store: Store, connect_module: OnlineMaker, said: Any
) -> None:
    client = create_app(settings, store).test_client()
    if not store.modules.connected():
        connect_module(name="load")
    answer = client.post("/module/register", json={"name": "load", "output_data": said})
    assert answer.status_code == 200, answer.data
    for path in ("/module/online", "/module/list"):
        (item,) = json.loads(client.get(path).data)["result"]
        assert written(item["output_data"]) == written(said)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"[{2**63}]", "does not fit into 64 bits"),
        (f"[{2**64}]", "does not fit into 64 bits"),
        (f"[{-(2**63) - 1}]", "does not fit into 64 bits"),
        (f"[{'9' * 5000}]", "does not fit into 64 bits"),
        ("[1e-400]", "the number 1e-400"),
        ("[1e400]", "the number 1e400"),
        ("[3e-324]", "the number 3e-324"),
        ("[9007199254740993.0]", "the number 9007199254740993.0"),
        ("[1.00000000000000000001]", "the number 1.00000000000000000001"),
        (f"[0.{'1' * 5000}]", "the number 0.111"),
        ('{"a": 1, "a": 2}', "the key 'a' more than once"),
        ('{"a": 1, "a": 1}', "the key 'a' more than once"),
        ('[[{"b": {"a": 1, "\\u0061": 2}}]]', "the key 'a' more than once"),
        (f'{{"{"k" * 500}": 1, "{"k" * 500}": 2}}', "more than once"),
    ],
    ids=lambda text: text[:24],
)
@pytest.mark.parametrize("word", FIELDS)
def test_what_would_change_is_refused_by_name(
    client: FlaskClient, store: Store, word: str, text: str, problem: str
) -> None:
    body = f'{{"name": "load", "{word}": {text}}}'
    answers = [
        client.post("/module/register", data=body, content_type="application/json"),
        client.post("/module/register", json={"name": "load", word: text}),
        client.get("/module/register", query_string={"name": "load", word: text}),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json["code"]) == (400, "3002")
        assert answer.json["message"].startswith(word)
        assert problem in answer.json["message"]
        assert len(answer.json["message"]) < 200
    assert list(store.modules.stream()) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"name": "load", "name": "wind"}', "body has the key 'name' more than once"),
        (f'{{"name": "load", "priority": {2**64}}}', "priority must be from 0 to 2147483647"),
        (f'{{"name": "load", "priority": {10**99}}}', "priority has an integer that does not fit"),
        ('{"name": "load", "priority": 1e-400}', "priority has the number 1e-400"),
        ('{"name": "load", "description": "\\ud800"}', "description contains half a surrogate"),
        ('{"name": "load", "\\ud800": 1}', "body has a key that contains half a surrogate"),
    ],
)
def test_a_body_that_would_change_is_refused(client: FlaskClient, body: str, words: str) -> None:
    answer = client.post("/module/register", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (400, "3002")
    assert words in answer.json["message"]


@pytest.mark.parametrize("encoded", ["name=caf%E9", "name=load&description=%ff"])
def test_bytes_that_are_not_utf_8_are_refused(client: FlaskClient, encoded: str) -> None:
    by_query = client.get(f"/module/register?{encoded}")
    form = "application/x-www-form-urlencoded"
    by_form = client.post("/module/register", data=encoded, content_type=form)
    for answer in (by_query, by_form):
        assert (answer.status_code, answer.json["code"]) == (400, "3002")
        assert "UTF-8" in answer.json["message"]


def test_only_what_identifies_a_module_is_normalised(client: FlaskClient) -> None:
    said = {
        "description": f" {COMPATIBILITY}\r\ncafe\u0301 ",
        "tags": [COMPATIBILITY, " cafe\u0301"],
        "input_data": [{COMPATIBILITY: "cafe\u0301 "}],
    }
    names = {"name": f" {COMPATIBILITY} ", "missionKind": "cafe\u0301", "modelHash": " v1"}
    shown = show(client, client.post("/module/register", json=names | said))
    assert {key: shown[key] for key in said} == said
    expected = {"name": "\u8c48\u7fbd", "missionKind": "caf\u00e9", "modelHash": "v1"}
    assert {key: shown[key] for key in names} == expected


def test_tags_that_look_the_same_match(app: Flask, connect_module: OnlineMaker) -> None:
    connect_module(name="load", tags=(" cafe\u0301",))
    for tag in ("caf\u00e9", "cafe\u0301 "):
        (item,) = app.test_client().get("/module/online", query_string={"tag": tag}).json["result"]
        assert item["tags"] == [" cafe\u0301"]
