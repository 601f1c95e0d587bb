"""What callers send: read from wherever the contract lets it stand, refused in one sentence."""

from collections.abc import Iterator
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

import marshmallow as ma
from flask import Request, request
from webargs.flaskparser import FlaskParser
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from api.http.fields import UNKNOWN, JsonText, Written
from shared.domain.json_document import Lost, NotJson, cut_object, read_json, text_problem
from shared.domain.likeness import find_near
from shared.errors import InvalidData

# Three requirements of 64 KiB each, written in the most wasteful way.
BODY_MAX_BYTES = 2**21
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_KEY_SHOWN = 40


class RequestParser(FlaskParser):
    """Reads a schema's words from the query, or from a body: JSON, or fields of a form."""

    DEFAULT_VALIDATION_STATUS = 400
    # What becomes of a word that a schema does not know is the schema's to say.
    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {}  # noqa: RUF012
    __location_map__ = {"query": "load_querystring", "body": "load_body"}  # noqa: RUF012

    def parse(self, argmap: Any, req: Request | None = None, **options: Any) -> Any:
        """Read a request; one without a query costs nothing if its schema knows what that means."""
        unsaid = getattr(argmap, "unsaid", None)
        if unsaid is not None and not request.query_string:
            return unsaid
        return super().parse(argmap, req, **options)

    def load_querystring(self, req: Request, schema: ma.Schema) -> dict[str, Any]:
        """Read the words of the query."""
        return _read_words(_read_query(req), schema)

    def load_body(self, req: Request, schema: ma.Schema) -> Any:
        """Read JSON, or else the words of the form and of the query together."""
        req.max_content_length = BODY_MAX_BYTES
        if req.content_length is None and len(req.get_data()) >= BODY_MAX_BYTES:
            raise RequestEntityTooLarge  # sent in chunks: werkzeug cuts it off and says nothing
        if req.is_json:
            return _read_json(req, schema)
        if req.content_length and req.mimetype not in _FORMS:
            raise UnsupportedMediaType
        words = MultiDict(_read_query(req))
        words.update(_read_form(req))
        words.update(dict.fromkeys(req.files, ""))  # no schema knows a file
        return _read_words(words, schema)

    def handle_error(
        self, error: ma.ValidationError, req: Request, schema: ma.Schema, **_: Any
    ) -> NoReturn:
        """Refuse the request in one sentence that names every bad word."""
        (messages,) = error.messages_dict.values()  # webargs puts them under the location's name
        known = [field.data_key or name for name, field in schema.load_fields.items()]
        for word, problems in messages.items():
            if problems == [UNKNOWN] and (near := _find_meant(word, known)):
                messages[word] = f"{UNKNOWN}; do you mean {near}?"
        sentence = "; ".join(_flatten("", messages))
        raise InvalidData(sentence if sentence.endswith("?") else f"{sentence}.")


def _read_query(req: Request) -> MultiDict[str, str]:
    _require_utf_8("query", unquote_to_bytes(req.query_string))
    return req.args


def _read_form(req: Request) -> MultiDict[str, str]:
    data = req.get_data()
    _require_utf_8("form", unquote_to_bytes(data) if req.mimetype == _FORMS[0] else data)
    return req.form


def _require_utf_8(place: str, text: bytes) -> None:
    """Refuse what werkzeug would replace in silence."""
    try:
        text.decode()
    except UnicodeDecodeError:
        raise InvalidData(f"The {place} is not UTF-8.") from None


def _read_json(req: Request, schema: ma.Schema) -> dict[str, Any]:
    data = req.get_data()
    try:
        words = read_json(data)
    except NotJson as error:
        raise InvalidData(f"The body {error}.") from None
    if isinstance(words, Lost):
        raise InvalidData(f"The body {words.problem}.")
    if not isinstance(words, dict):
        raise InvalidData("The body must be a JSON object.")
    for problem in filter(None, map(text_problem, words)):
        raise InvalidData(f"The body has a key that {problem}.")
    written = [
        field.data_key or name
        for name, field in schema.load_fields.items()
        if isinstance(field, JsonText)
    ]
    if any(words.get(key) is not None for key in written):
        parts = cut_object(data)
        words |= {key: Written(parts[key]) for key in written if words.get(key) is not None}
    return words


def _read_words(words: MultiDict[str, str], schema: ma.Schema) -> dict[str, Any]:
    """Return each word with its value; raises ValidationError for one given twice."""
    fields = {field.data_key or name: field for name, field in schema.load_fields.items()}
    lists = {key for key, field in fields.items() if isinstance(field, ma.fields.List)}
    if twice := [key for key in fields.keys() - lists if len(words.getlist(key)) > 1]:
        raise ma.ValidationError(dict.fromkeys(sorted(twice), "is given more than once"))
    return {key: given if key in lists else given[0] for key, given in words.lists()}


def _find_meant(word: str, known: list[str]) -> str | None:
    return next(iter(find_near(word, known)), None) if len(word) > 2 else None


def _flatten(path: str, messages: Any) -> Iterator[str]:
    if isinstance(messages, dict):
        for key, inner in messages.items():
            shown = f"{path}[{key}]" if isinstance(key, int) else str(key)[:_KEY_SHOWN]
            yield from _flatten(shown, inner)
    elif isinstance(messages, list):
        for inner in messages:
            yield from _flatten(path, inner)
    else:
        yield f"{path} {messages}"
