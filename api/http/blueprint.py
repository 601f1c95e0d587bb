"""Our blueprint: flask-smorest's, with our parser, our envelope, and types."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import flask_smorest  # type: ignore[import-untyped]
from marshmallow import Schema

from api.http.envelope_schemas import in_envelope
from api.http.request_parser import RequestParser

View = TypeVar("View", bound=Callable[..., Any])
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """A set of views with their documentation."""

    ARGUMENTS_PARSER = RequestParser()
    DEFAULT_LOCATION_CONTENT_TYPE_MAPPING: Mapping[str, str] = {"body": _JSON}

    def route(self, rule: str, **options: Any) -> Callable[[View], View]:
        """Serve a rule with a view."""
        decorator: Callable[[View], View] = super().route(rule, **options)
        return decorator

    def arguments(self, schema: Schema, **options: Any) -> Callable[[View], View]:
        """Give a view what the request says, as the schema makes it."""
        decorator: Callable[[View], View] = super().arguments(schema, **options)
        return decorator

    def response(
        self, status_code: int, schema: Schema | None = None, **options: Any
    ) -> Callable[[View], View]:
        """Document what a view answers."""
        decorator: Callable[[View], View] = super().response(status_code, schema, **options)
        return decorator

    def _prepare_arguments_doc(self, doc: Any, doc_info: Any, **options: Any) -> Any:
        """Document that whatever may stand in a JSON body may stand in a form, too."""
        doc = super()._prepare_arguments_doc(doc, doc_info, **options)
        content = doc.get("requestBody", {}).get("content", {})
        if _JSON in content:
            content[_FORM] = dict(content[_JSON])
        return doc

    @staticmethod
    def _make_doc_response_schema(schema: Schema | None) -> type[Schema] | None:
        return in_envelope(type(schema), many=schema.many) if schema else None
