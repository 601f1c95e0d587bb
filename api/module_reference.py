"""How requests say which module they mean: by number, by hash, or by whatever it is called."""

from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, post_load, validates_schema
from werkzeug.routing import BaseConverter

from api.app_state import app_state
from api.http.fields import HashText, RequestSchema, Text, WholeNumber
from shared.domain.ids import ModuleHash
from shared.domain.module import NAME_MAX_LENGTH, Module
from shared.services.module_lookup import find_by_reference, find_hash, find_module, find_number
from shared.store import Store

CALLED = "Its name, its module_id, its hash, or the first 8 digits or more of its hash."


class ModuleWord(BaseConverter):
    """A module in an address: any word but those that are addresses themselves, for POST only."""

    regex = r"(?!(?:send_message|close_websocket)(?:/|$))[^/]+"


@dataclass(frozen=True, kw_only=True)
class ModuleReference:
    """A module by its number, by its hash, or by what a caller calls it."""

    module_id: int | None = None
    module_hash: ModuleHash | None = None
    module: str | None = None

    def find(self, store: Store) -> Module:
        """Return the module that is meant; raises NotFound, and Conflict when it may be two."""
        if self.module is not None:
            return find_by_reference(store, self.module, app_state().directory)
        return find_module(store, module_id=self.module_id, module_hash=self.module_hash)

    def find_hash(self, store: Store) -> ModuleHash:
        """Return the hash of the module that is meant, which may be deleted; raises as `find`."""
        if self.module_hash is not None:
            return self.module_hash
        directory = app_state().directory
        if self.module is not None:
            return find_hash(store, self.module, directory)
        return find_number(store, self.module_id or 0, directory)


class ModuleReferenceBody(RequestSchema):
    """Which module is meant."""

    module_id = WholeNumber(1, 2**53, metadata={"description": "One of these is required."})
    module_hash = HashText()
    module = Text(
        NAME_MAX_LENGTH,
        is_normalised=True,
        may_be_empty=False,
        metadata={"description": CALLED, "example": "load-72h"},
    )

    @validates_schema
    def require_one(self, words: dict[str, Any], **_: Any) -> None:
        """Refuse words that name no module, or two."""
        if not words:
            raise ValidationError("is required", "module_id")
        first, *others = words
        for other in others:
            raise ValidationError(f"must not be given beside {first}", other)

    @post_load
    def make(self, words: dict[str, Any], **_: Any) -> ModuleReference:
        """Make a value of the words."""
        return ModuleReference(**words)
