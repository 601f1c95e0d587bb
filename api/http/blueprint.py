"""Our blueprint: flask-smorest's, with our parser, our envelope, our errors by name, and types."""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, TypeVar

import flask_smorest  # type: ignore[import-untyped]
from marshmallow import Schema

from api.http.answer_fields import make_example
from api.http.envelope import SUCCESS_MESSAGE
from api.http.envelope_schemas import in_envelope
from api.http.request_parser import RequestParser
from api.http.responses import ERRORS, OF_ALL_CALLS, OF_CALLS_WITH_A_BODY, describe_headers
from shared.errors import SUCCESS

View = TypeVar("View", bound=Callable[..., Any])
_JSON = "application/json"
# Generators of clients fail over two kinds of one body, so a form is only told of.
_BODY = "A form (application/x-www-form-urlencoded) may say the same, with JSON values as text."

PATH_WORDS = {
    "module": ("Its hash, its name, its module_id, or the first 8 digits of its hash.", "load-72h"),
    "message_id": ("The message's id.", "order-17"),
    "execution_id": ("The execution's id.", "1-20261121T191449-c191f3"),
    "workflow_id": ("The workflow's number.", 1),
}


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """A set of views with their documentation."""

    ARGUMENTS_PARSER = RequestParser()
    DEFAULT_LOCATION_CONTENT_TYPE_MAPPING: Mapping[str, str] = {"body": _JSON}

    def route(
        self, rule: str, *, parameters: list[dict[str, Any]] | None = None, **options: Any
    ) -> Callable[[View], View]:
        """Serve a rule with a view; `endpoint`, else the view's name, is what clients call it."""
        words = re.findall(r"<(?:[^<>]*:)?(\w+)>", rule)
        parameters = [_describe_path_word(word) for word in words] + (parameters or [])
        decorator: Callable[[View], View] = super().route(rule, parameters=parameters, **options)
        return decorator

    def arguments(self, schema: Schema, **options: Any) -> Callable[[View], View]:
        """Give a view what the request says, as the schema makes it."""
        if options.get("location") == "body":
            options = {"description": _BODY, "example": make_example(schema)} | options
        decorator: Callable[[View], View] = super().arguments(schema, **options)
        return decorator

    def response(
        self,
        status_code: int,
        schema: Schema | None = None,
        *,
        headers: tuple[str, ...] = (),
        **options: Any,
    ) -> Callable[[View], View]:
        """Document what a view answers, and in which headers of those that have a name."""
        if schema is not None:
            result = make_example(schema)
            options["example"] = {"code": SUCCESS, "message": SUCCESS_MESSAGE, "result": result}
        options |= describe_headers(*headers, "X-Request-ID")
        decorator: Callable[[View], View] = super().response(status_code, schema, **options)
        return decorator

    @staticmethod
    def errors(*statuses: int) -> Callable[[View], View]:
        """Document with which errors of its own a call may end."""

        def note(view: View) -> View:
            doc = deepcopy(getattr(view, "_apidoc", {}))
            responses = doc.setdefault("response", {}).setdefault("responses", {})
            responses |= {status: [ERRORS[status].name] for status in statuses}
            vars(view)["_apidoc"] = doc  # where flask-smorest reads it
            return view

        return note

    def _store_endpoint_docs(self, endpoint: str, *args: Any, **options: Any) -> None:
        super()._store_endpoint_docs(endpoint, *args, **options)
        for doc in self._docs[endpoint].values():
            if isinstance(doc, dict):
                doc["manual_doc"] = {"operationId": endpoint}

    def _prepare_response_doc(self, doc: Any, doc_info: Any, **options: Any) -> Any:
        responses = doc_info.setdefault("response", {}).setdefault("responses", {})
        common = OF_ALL_CALLS + (OF_CALLS_WITH_A_BODY if "requestBody" in doc else ())
        for status in common:
            responses.setdefault(status, [ERRORS[status].name])
        doc = super()._prepare_response_doc(doc, doc_info, **options)
        doc["responses"] = dict(sorted(doc["responses"].items(), key=lambda item: str(item[0])))
        return doc

    @staticmethod
    def _make_doc_response_schema(schema: Schema | None) -> type[Schema] | None:
        return in_envelope(type(schema), many=schema.many) if schema else None


def _describe_path_word(word: str) -> dict[str, Any]:
    about, example = PATH_WORDS[word]
    return {"in": "path", "name": word, "description": about, "example": example}
