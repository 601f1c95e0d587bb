"""Whole documents in and out as lines of text, whatever they hold: for export and import."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import bson
from bson import json_util
from bson.errors import BSONError
from pymongo.database import Database

from shared.store.errors import insert_new
from shared.store.events import Events
from shared.store.indexes import MARKER
from shared.store.modules import Modules
from shared.store.workflows import Workflows

Document = dict[str, Any]

# What is worth carrying to another database; not which processes there are and what they were told.
# The counters come last, so that they cover every number in what was read before.
COLLECTIONS = ("modules", "deleted_modules", "heartbeats", "workflows", "events", "counters")
READ_AT_ONCE = 500
_CANONICAL = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, tz_aware=True)


class Dump:
    """The documents of every collection that is carried."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database

    def estimate(self) -> int:
        """Return about how many documents there are."""
        return sum(self._database[name].estimated_document_count() for name in COLLECTIONS)

    def read(self) -> Iterator[tuple[str, Document]]:
        """Return (collection, document) of all, a few hundred in memory at a time."""
        for name in COLLECTIONS:
            for document in self._database[name].find({}, batch_size=READ_AT_ONCE):
                if document["_id"] != MARKER:  # each database's own
                    yield name, document

    def insert_missing(self, collection: str, documents: Sequence[Document]) -> int:
        """Insert documents whose ids do not exist yet; return how many those were."""
        return insert_new(self._database[collection], documents)


def encode(document: Document) -> str:
    """Return a document as one line of extended JSON, from which every type comes back."""
    return json_util.dumps(document, json_options=_CANONICAL)


def decode(line: bytes) -> Any:
    """Return what a line says; raises ValueError when it says nothing that could be stored."""
    try:
        value = json_util.loads(line.decode(), json_options=_CANONICAL)
        bson.encode({"value": value})
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError, BSONError) as error:
        raise ValueError(str(error)) from None
    return value


def find_json_problem(collection: str, document: Document) -> str | None:
    """Return why a document cannot be one of this collection, or None: readers rely on its form."""
    try:
        if collection == "modules":
            module = Modules.parse(document)
            if not all(isinstance(number, int) for number in (module.module_id, module.epoch)):
                return "its numbers are no whole numbers"
        elif collection == "events":
            Events.parse(document)
        elif collection == "workflows":
            Workflows.parse(document)
        elif collection == "heartbeats" and not isinstance(document["at"], datetime):
            return "its field 'at' is no time"
        elif collection == "deleted_modules" and not isinstance(document["epoch"], int):
            return "its field 'epoch' is no whole number"
        elif collection == "counters" and not isinstance(document["value"], int):
            return "its field 'value' is no whole number"
    except KeyError as error:
        return f"it has no field {error}"
    except (TypeError, ValueError) as error:
        return str(error)
    return None
