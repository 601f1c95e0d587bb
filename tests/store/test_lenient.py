"""Documents of another release: a missing key or an unknown word costs no answer."""

import logging
from datetime import datetime
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from shared.domain.closing import CLOSED, OfflineReason
from shared.domain.event import SubjectKind
from shared.domain.ids import MessageId, ModuleHash
from shared.domain.message import DEFAULT_PRIORITY, DEFAULT_TIMEOUT_SECONDS
from shared.domain.node_command import NodeCommand
from shared.services.module_listing import list_all, list_online, presence_rules, to_item
from shared.settings import Settings
from shared.store import Store, lenient
from shared.store.lenient import LONG_AGO
from tests.support.builders import NODE, make_message
from tests.support.registry import Registry

Tampered = dict[str, Collection[dict[str, Any]]]


@pytest.fixture
def registry(store: Store, now: datetime) -> Registry:
    """A registry with one connected module."""
    made = Registry(store=store, now=now)
    made.enrol()
    made.connect(made.register())
    return made


@pytest.fixture
def documents(plain_client: MongoClient, settings: Settings) -> Tampered:
    """The collections themselves, for writing what this release would not."""
    database = plain_client[settings.mongodb_name]
    return {
        name: database[name] for name in ("modules", "nodes", "node_commands", "events", "messages")
    }


def spoil(collection: Collection[dict[str, Any]], update: dict[str, Any]) -> None:
    assert collection.update_many({}, update).modified_count


MODULE_KEYS = [
    *("module_id", "name", "description", "missionKind", "modelHash", "dataRequirement"),
    *("input_data", "output_data", "tags", "priority", "enabled", "revision", "epoch", "session"),
    *("state_since", "offline_reason", "registered_at", "updated_at", "last_login_time"),
    *("session.peer", "session.connected_at", "session.id"),
]
NODE_KEYS = ["address", "renewals", "started_at", "sessions", "dead", "offline_reason"]
EVENT_KEYS = ["at", "what", "reason", "actor", "detail", "subject.kind"]
COMMAND_KEYS = ["module_hash", "created_at", "closing", "text"]


@pytest.mark.parametrize("key", MODULE_KEYS)
def test_a_module_without_a_key_is_listed_and_reconciled(
    registry: Registry, documents: Tampered, settings: Settings, key: str
) -> None:
    spoil(documents["modules"], {"$unset": {key: 1}})
    listing = list_all(registry.store, presence_rules(settings), registry.now)
    assert [to_item(listed)["alive"] for listed in listing.modules] == [key != "session"]
    (module,) = listing.modules
    assert len(registry.store.sessions.read([module.module.module_hash])) == 1
    assert len(registry.store.sessions.stored_for(NODE)) == (key != "session")


@pytest.mark.parametrize("key", NODE_KEYS)
def test_a_node_without_a_key_keeps_its_modules(
    registry: Registry, documents: Tampered, settings: Settings, key: str
) -> None:
    spoil(documents["nodes"], {"$unset": {key: 1}})
    listing = list_online(registry.store, presence_rules(settings), registry.now)
    assert len(listing.modules) == 1


@pytest.mark.parametrize("key", EVENT_KEYS)
def test_an_event_without_a_key_stays_in_the_history(
    registry: Registry, documents: Tampered, key: str
) -> None:
    before = len(registry.store.events.find())
    spoil(documents["events"], {"$unset": {key: 1}})
    assert len(registry.store.events.find()) == before


@pytest.mark.parametrize("key", COMMAND_KEYS)
def test_a_command_without_a_key_is_carried_out(
    registry: Registry, documents: Tampered, key: str
) -> None:
    insert_command(registry)
    spoil(documents["node_commands"], {"$unset": {key: 1}})
    (command,) = registry.store.node_commands.read(NODE)
    assert (command.closing, command.session) == (CLOSED, "session-1")


def insert_command(registry: Registry) -> None:
    command = NodeCommand(
        session="session-1", node=NODE, module_hash="a" * 64, created_at=registry.now
    )
    registry.store.node_commands.insert([command])


def test_unknown_words_have_fallbacks(
    registry: Registry, documents: Tampered, settings: Settings
) -> None:
    registry.register("never connected")
    spoil(documents["modules"], {"$set": {"offline_reason": "moved_to_mars"}})
    spoil(documents["nodes"], {"$set": {"offline_reason": "moved_to_mars"}})
    spoil(documents["events"], {"$set": {"subject.kind": "planet"}})
    listing = list_all(registry.store, presence_rules(settings), registry.now)
    assert [listed.presence.reason for listed in listing.modules] == [
        None,
        OfflineReason.CONNECTION_LOST,
    ]
    assert registry.store.nodes.all()[0].offline_reason is OfflineReason.NODE_LOST
    assert {event.subject.kind for event in registry.store.events.find()} == {SubjectKind.OTHER}


def test_a_command_of_an_unknown_kind_is_left_alone(
    registry: Registry, documents: Tampered
) -> None:
    insert_command(registry)
    spoil(documents["node_commands"], {"$set": {"kind": "send_to_mars"}})
    assert registry.store.node_commands.read(NODE) == []


def test_a_document_that_nothing_helps_does_not_hide_the_others(
    registry: Registry, documents: Tampered, settings: Settings
) -> None:
    documents["modules"].insert_one({"_id": "b" * 64, "module_id": 2, "tags": 7})
    listing = list_all(registry.store, presence_rules(settings), registry.now)
    assert [listed.module.module_id for listed in listing.modules] == [1]


@pytest.mark.parametrize(
    ("key", "value", "fallback"),
    [
        ("priority", "high", DEFAULT_PRIORITY),
        ("attempt", None, 0),
        ("timeout_seconds", {}, DEFAULT_TIMEOUT_SECONDS),
        ("created_at", "2026-03-01", LONG_AGO),
        ("useful_until", 7, LONG_AGO),
    ],
)
def test_what_is_no_number_and_no_date_has_a_fallback(
    store: Store, documents: Tampered, key: str, value: object, fallback: object
) -> None:
    store.messages.insert([make_message(id=MessageId("a"), module_hash="a" * 64)])
    spoil(documents["messages"], {"$set": {key: value}})
    (message,) = store.deliveries.queued_for([ModuleHash("a" * 64)])
    assert getattr(message, key) == fallback


def test_each_document_is_told_of_once(
    registry: Registry,
    documents: Tampered,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lenient, "_told_of", set())
    registry.register("another")
    spoil(documents["modules"], {"$set": {"offline_reason": "moved_to_mars"}})
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert len(list(registry.store.modules.stream())) == 2
    told = [(record.collection, record.problem) for record in caplog.records]
    assert told == [("modules", "ValueError(\"'moved_to_mars' is not a valid OfflineReason\")")] * 2
