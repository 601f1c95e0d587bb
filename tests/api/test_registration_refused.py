"""Bad registrations: each is refused in one sentence that names the word, and changes nothing."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.store import Store

DEEP = "[" * 2000 + "]" * 2000


@pytest.fixture(autouse=True)
def nothing_is_registered(store: Store) -> Iterator[None]:
    yield
    assert list(store.modules.stream()) == []


def refused(answer: Any, *words: str, status: int = 400) -> bool:
    """Check the envelope of a refusal; tell whether its sentence has these words."""
    assert answer.status_code == status, answer.data
    assert answer.json["code"] == "3002"
    assert answer.json["result"] is None
    return all(word in answer.json["message"] for word in words)


@pytest.mark.parametrize("query", ["", "name=", "name=%20%20", "missionKind=load"])
def test_a_module_has_a_name(client: FlaskClient, query: str) -> None:
    assert refused(client.get(f"/module/register?{query}"), "name")


@pytest.mark.parametrize(
    ("word", "length"),
    [("name", 101), ("description", 501), ("missionKind", 101), ("modelHash", 201)],
)
def test_texts_have_a_limit(client: FlaskClient, word: str, length: int) -> None:
    words = {"name": "load"} | {word: "x" * length}
    assert refused(client.get("/module/register", query_string=words), word, str(length - 1))
    assert refused(client.post("/module/register", json=words), word, str(length - 1))


@pytest.mark.parametrize("word", ["dataRequirement", "input_data", "output_data"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "{'a': 1}",
        '"a text"',
        "17",
        "[NaN]",
        "[Infinity]",
        "[1e999]",
        '["\\ud800"]',
        '["\\u0000"]',
        '{"\\u0000": 1}',
        '{"$where": 1}',
        '{"a.b": 1}',
        '{"": 1}',
        '[{"deep": {"$oid": "x"}}]',
        f"[{2**63}]",
        DEEP,
        "[" * 65 + "]" * 65,
        '["' + "x" * 70 * 1024 + '"]',
    ],
    ids=lambda text: text[:12] or "empty",
)
def test_what_the_database_could_not_keep(client: FlaskClient, word: str, text: str) -> None:
    words = {"name": "load", word: text}
    assert refused(client.get("/module/register", query_string=words), word)
    assert refused(client.post("/module/register", data=words), word)
    assert refused(client.post("/module/register", json=words), word)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b'{"name": "load"',
        b'\xff\xfe{"name": "load"}',
        b'"load"',
        b"[]",
        b"null",
        b'{"name": "load", "input_data": [NaN]}',
        b'{"name": "load", "input_data": ' + DEEP.encode() + b"}",
    ],
    ids=range(9),
)
def test_a_body_that_is_not_a_json_object(client: FlaskClient, body: bytes) -> None:
    answer = client.post("/module/register", data=body, content_type="application/json")
    assert refused(answer, "body")


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("name", None),
        ("name", 17),
        ("name", ["load"]),
        ("name", {"$oid": "x"}),
        ("name", "two\nlines"),
        ("name", "nul\x00"),
        ("description", {"$gt": ""}),
        ("missionKind", False),
        ("input_data", {"$oid": "507f1f77bcf86cd799439011"}),
        ("input_data", 17),
        ("input_data", [2**63]),
        ("priority", "high"),
        ("priority", 1.5),
        ("priority", True),
        ("priority", 2**63),
        ("priority", -1),
        ("tags", "a,b"),
        ("tags", [17]),
        ("tags", ["x" * 51]),
        ("tags", ["t"] * 21),
        ("tags", {"a": 1}),
    ],
)
def test_words_of_the_wrong_kind(client: FlaskClient, word: str, value: Any) -> None:
    words = {"name": "load"} | {word: value}
    assert refused(client.post("/module/register", json=words), word)


def test_unknown_words_of_a_json_body_are_named(client: FlaskClient) -> None:
    answer = client.post("/module/register", json={"name": "load", "descripton": "typo"})
    assert refused(answer, "descripton")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_unknown_words_of_a_form_are_named(client: FlaskClient, kind: str) -> None:
    form = {"name": "load", "descripton": "typo"}
    answer = client.post("/module/register?colour=red", data=form, content_type=kind)
    assert refused(answer, "colour", "descripton", "do you mean description?")


def test_a_file_in_a_form_is_not_passed_over(client: FlaskClient) -> None:
    form = {"name": "load", "model": (BytesIO(b"weights"), "model.bin")}
    assert refused(client.post("/module/register", data=form), "model is not known here")


def test_a_word_given_twice(client: FlaskClient) -> None:
    assert refused(client.get("/module/register?name=a&name=b"), "name", "more than once")
    assert refused(client.post("/module/register?name=a", data={"name": "b"}), "name")


def test_every_bad_word_is_named_at_once(client: FlaskClient) -> None:
    answer = client.post("/module/register", json={"name": "", "priority": "high"})
    assert refused(answer, "name", "priority")


def test_a_query_that_is_not_utf_8(client: FlaskClient) -> None:
    answer = client.get("/module/register", environ_overrides={"QUERY_STRING": "name=\xc4\xe3"})
    assert refused(answer, "UTF-8")


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", ""])
def test_a_body_of_another_kind(client: FlaskClient, content_type: str) -> None:
    answer = client.post("/module/register", data="name=load", content_type=content_type)
    assert refused(answer, "JSON", status=415)


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_a_body_of_17_megabytes(client: FlaskClient, content_type: str) -> None:
    body = b"x" * 17 * 2**20
    answer = client.post("/module/register", data=body, content_type=content_type)
    assert refused(answer, "large", status=413)


def test_a_large_body_that_hides_its_length(client: FlaskClient) -> None:
    answer = client.post(
        "/module/register",
        input_stream=BytesIO(b"x" * 17 * 2**20),
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert refused(answer, "large", status=413)
