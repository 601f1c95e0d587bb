"""Kinds of answer fields, each with an example: documentation for /openapi.json, never run over data."""

from enum import StrEnum
from typing import Any

from marshmallow import EXCLUDE, Schema, fields

AN_HOUR = "2026-11-21T10:00:00Z"


class AnswerSchema(Schema):
    """What every answer's schema shares: each of its keys is there, and newer ones may come."""

    class Meta:
        """Promise nothing about keys that are not known yet."""

        unknown = EXCLUDE

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Say of every key that it is there."""
        field_obj.required = True


class Word(fields.String):
    """One of the words of an enumeration, which the document names once; or of several of them."""

    def __init__(self, *kinds: type[StrEnum], example: Any, **options: Any) -> None:
        super().__init__(metadata=_metadata(options, example), **options)
        self.kinds = kinds


def text(example: str | None, about: str = "", **options: Any) -> fields.Field[Any]:
    """Document a text; one without an example may be null, and often is."""
    options.setdefault("allow_none", example is None)
    return fields.String(metadata=_metadata(options, example, about), **options)


def whole(example: int | None, about: str = "", **options: Any) -> fields.Field[Any]:
    """Document a whole number."""
    options.setdefault("allow_none", example is None)
    return fields.Integer(metadata=_metadata(options, example, about), **options)


def number(example: float | None, about: str = "", **options: Any) -> fields.Field[Any]:
    """Document a number."""
    options.setdefault("allow_none", example is None)
    return fields.Float(metadata=_metadata(options, example, about), **options)


def flag(example: bool, about: str = "") -> fields.Field[Any]:
    """Document what is true or false."""
    return fields.Boolean(metadata=_metadata({}, example, about))


def moment(example: str | None = AN_HOUR, about: str = "", **options: Any) -> fields.Field[Any]:
    """Document a time in UTC."""
    options.setdefault("allow_none", example is None)
    return fields.DateTime(metadata=_metadata(options, example, about), **options)


def anything(example: Any, about: str = "", **options: Any) -> fields.Field[Any]:
    """Document any JSON."""
    return fields.Raw(allow_none=True, metadata=_metadata({}, example, about), **options)


def texts(example: list[str], about: str = "") -> fields.Field[Any]:
    """Document a list of texts."""
    return fields.List(fields.String(), metadata=_metadata({}, example, about))


def things(example: dict[str, Any] | None, about: str = "") -> fields.Field[Any]:
    """Document an object whose keys differ from case to case."""
    metadata = _metadata({}, example, about)
    return fields.Dict(keys=fields.String(), allow_none=example is None, metadata=metadata)


def make_example(schema: Schema) -> Any:
    """Return an example of what a schema documents, of those of its fields that have one."""
    item = {
        field.data_key or name: example
        for name, field in schema.fields.items()
        for example in _examples(field)
    }
    return [item] if schema.many else item


def _examples(field: fields.Field[Any]) -> list[Any]:
    if "example" in field.metadata:
        return [field.metadata["example"]]
    if isinstance(field, fields.List):
        return [_examples(field.inner)]
    if isinstance(field, fields.Nested):
        return [make_example(field.schema)]
    return []


def _metadata(options: dict[str, Any], example: Any, about: str = "") -> dict[str, Any]:
    description = options.pop("about", about)
    return {"example": example} | ({"description": description} if description else {})
