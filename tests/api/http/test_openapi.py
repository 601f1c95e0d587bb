"""/openapi.json is complete: a generator, or a reader, needs nothing besides."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator

from api.http.envelope_schemas import ErrorCode
from shared.domain.presence import State
from shared.errors import INTERNAL_ERROR, PlatformError

JSON = "application/json"


@pytest.fixture
def document(app: Flask) -> dict[str, Any]:
    document: dict[str, Any] = app.extensions["description"].document
    return document


def calls(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each call by its address, with the parameters of its path among its own."""
    for path, methods in document["paths"].items():
        shared = methods.get("parameters", [])
        for method in methods.keys() - {"parameters"}:
            call = methods[method]
            own = call.get("parameters", [])
            yield f"{method} {path}", call | {"parameters": [*shared, *own]}


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of the document, at any depth."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from parts(inner)


def contents(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what each call takes and answers, by media type, and the answers that have a name."""
    for name, call in calls(document):
        answers = [call.get("requestBody", {}), *call["responses"].values()]
        for answer in answers:
            for kind, content in answer.get("content", {}).items():
                yield f"{name} {kind}", content
    for name, answer in document["components"]["responses"].items():
        for content in answer.get("content", {}).values():
            yield name, content


def test_each_call_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    names = [call["operationId"] for _, call in calls(document)]
    assert len(names) > 20
    assert sorted(set(names)) == sorted(names)


def test_each_call_and_each_of_its_parameters_is_described(document: dict[str, Any]) -> None:
    for name, call in calls(document):
        assert call["summary"], name
        assert call["description"], name
        for parameter in call["parameters"]:
            assert parameter["description"], (name, parameter["name"])


def test_each_word_of_a_body_is_described(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, call in calls(document):
        for content in call.get("requestBody", {}).get("content", {}).values():
            body = schemas[content["schema"]["$ref"].rpartition("/")[2]]
            for key, word in body["properties"].items():
                assert word.get("description"), (name, key)


def test_each_call_has_an_example_that_is_as_described(document: dict[str, Any]) -> None:
    components = {"components": document["components"]}
    found = 0
    for name, content in contents(document):
        found += 1
        validator = Draft202012Validator(content["schema"] | components)
        assert [error.message for error in validator.iter_errors(content["example"])] == [], name
        assert content["example"], name
    assert found > 35


def test_each_call_names_its_errors(document: dict[str, Any]) -> None:
    for name, call in calls(document):
        assert call["responses"].keys() >= {"400", "500", "503", "default"}, name
        if "{" in name:
            assert "404" in call["responses"], name
        if "requestBody" in call:
            assert call["responses"].keys() >= {"413", "415"}, name


def test_who_shall_come_back_is_told_when(document: dict[str, Any]) -> None:
    for error in ("TooManyRequests", "ServiceUnavailable"):
        assert "Retry-After" in document["components"]["responses"][error]["headers"]


def test_each_array_says_what_is_in_it(document: dict[str, Any]) -> None:
    arrays = [part for part in parts(document) if "array" in str(part.get("type"))]
    assert len(arrays) > 20
    assert [array for array in arrays if "items" not in array] == []


def test_each_key_of_an_answer_is_required(document: dict[str, Any]) -> None:
    answers = {n: s for n, s in document["components"]["schemas"].items() if "Answer" in n}
    assert len(answers) > 20
    for name, schema in answers.items():
        assert set(schema["required"]) == schema["properties"].keys(), name


def test_each_code_is_in_the_enumeration() -> None:
    codes = {error.code for error in PlatformError.__subclasses__()} | {INTERNAL_ERROR}
    assert {code.value for code in ErrorCode} == codes


def test_an_enumeration_stands_in_one_place(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["State"]["enum"] == list(State)
    assert schemas["ErrorCode"]["x-enum-varnames"][:2] == ["INTERNAL_ERROR", "INVALID_DATA"]
    state = schemas["ModuleAnswer"]["properties"]["state"]
    assert state["$ref"] == "#/components/schemas/State"
