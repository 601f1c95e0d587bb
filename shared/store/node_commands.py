"""Instructions to nodes about their sessions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pymongo import DeleteMany, IndexModel, UpdateOne
from pymongo.database import Database

from shared.domain.actor import PLATFORM, Actor
from shared.domain.closing import CLOSED, find_closing
from shared.domain.ids import NodeId
from shared.domain.node_command import CommandKind, NodeCommand
from shared.store.lenient import LONG_AGO, Form


class NodeCommands:
    """The `node_commands` collection: read and removed by its node every second."""

    INDEXES = (IndexModel("node"),)

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["node_commands"]

    def insert(self, commands: Sequence[NodeCommand]) -> None:
        """Write commands; the first one about a session stands."""
        if not commands:
            return
        self._collection.bulk_write(
            [
                UpdateOne({"_id": command.id}, {"$setOnInsert": _to_document(command)}, upsert=True)
                for command in commands
            ],
            ordered=False,
        )

    def read(self, *ids: NodeId) -> list[NodeCommand]:
        """Return what the node of these ids has to do; unknown kinds are not for this release."""
        documents = self._collection.find({"node": {"$in": ids}})
        return list(_FORM.read_all(doc for doc in documents if "answered" not in doc))

    def remove(self, commands: Sequence[NodeCommand]) -> None:
        """Remove commands that were carried out."""
        if commands:
            ids = [command.id for command in commands]
            self._collection.bulk_write([DeleteMany({"_id": {"$in": ids}})])

    def answer(self, command: NodeCommand, *, alive: bool) -> None:
        """Write down the answer to a probe."""
        self._collection.update_one({"_id": command.id}, {"$set": {"answered": alive}})

    def read_answer(self, command: NodeCommand) -> bool | None:
        """Return a probe's answer, or None while there is none."""
        document = self._collection.find_one({"_id": command.id})
        return document.get("answered") if document else None

    def purge(self, before: datetime) -> int:
        """Delete commands older than this, which no node read; return how many went."""
        # Without an index: few outlive a second, but those to a process that is gone.
        return self._collection.delete_many({"created_at": {"$lt": before}}).deleted_count


def _to_document(command: NodeCommand) -> dict[str, Any]:
    return {
        "session": command.session,
        "node": command.node,
        "module_hash": command.module_hash,
        "created_at": command.created_at,
        "kind": command.kind.value,
        "closing": command.closing.name,
        "text": command.closing.text,
        "actor": command.actor,
    }


def _to_command(document: Mapping[str, Any]) -> NodeCommand:
    return NodeCommand(
        session=document["session"],
        node=document["node"],
        module_hash=document["module_hash"],
        created_at=document["created_at"],
        kind=CommandKind(document["kind"]),
        closing=replace(find_closing(document["closing"]), text=document["text"]),
        actor=Actor(document.get("actor", PLATFORM)),
    )


_FORM = Form(
    collection="node_commands",
    parse=_to_command,
    fallbacks={
        "module_hash": "",
        "created_at": LONG_AGO,
        "closing": CLOSED.name,
        "text": CLOSED.text,
    },
)
