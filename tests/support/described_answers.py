"""A client that holds each answer against /openapi.json."""

from functools import cache
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

HEADERS = ("ETag", "Link", "Retry-After")


class Description:
    """One application's document, ready to check answers with."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.document: dict[str, Any] = app.test_client().get("/openapi.json").json
        self._validator = cache(self._make_validator)

    def check(self, answer: TestResponse) -> None:
        """Fail when a call answers what its description does not say."""
        described = self.find_response(answer)
        if described is None:
            return
        undeclared = [
            name for name in HEADERS if name in answer.headers and name not in described["headers"]
        ]
        assert undeclared == [], f"{answer.request.path}: headers that are not declared"
        if answer.data:
            schema = described["content"]["application/json"]["schema"]["$ref"]
            problems = [error.message for error in self._validator(schema).iter_errors(answer.json)]
            assert problems == [], f"{answer.request.path}: the answer is not as declared"

    def find_response(self, answer: TestResponse) -> dict[str, Any] | None:
        """Return what is declared for an answer; None for one that belongs to no call."""
        urls = self._app.url_map.bind("localhost")
        try:
            rule, _ = urls.match(answer.request.path, answer.request.method, return_rule=True)
        except HTTPException:
            return None
        path = "".join(f"{{{part}}}" if is_word else part for is_word, part in rule._trace)[1:]
        call = self.document["paths"].get(path)
        if call is None:
            return None
        responses = call[answer.request.method.lower().replace("head", "get")]["responses"]
        status = str(answer.status_code)
        assert status in responses, f"{answer.request.path}: {status} is not declared"
        return self.resolve(responses[status])

    def resolve(self, part: dict[str, Any]) -> dict[str, Any]:
        """Return a part of the document, or what it refers to."""
        if "$ref" not in part:
            return part
        found: Any = self.document
        for key in part["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        resolved: dict[str, Any] = found
        return resolved

    def _make_validator(self, schema: str) -> Draft202012Validator:
        components = self.document["components"]
        return Draft202012Validator({"$ref": schema, "components": components})


class DescribedClient(FlaskClient):
    """A client that holds each answer against the description of its application."""

    def open(self, *args: Any, **options: Any) -> TestResponse:
        """Ask, and check the answer."""
        answer = super().open(*args, **options)
        description = self.application.extensions.get("description")
        if description is not None:
            description.check(answer)
        return answer
