"""The client: what it is opened with, which commands it sends, and what an outage looks like."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from pymongo.monitoring import CommandListener, CommandStartedEvent

from shared.errors import DatabaseUnavailable, SettingsError
from shared.services.database_setup import prepare_database
from shared.services.export_import import export_registry
from shared.settings import PROJECT_DIR, Settings
from shared.store import Store, client_options, connect, unavailable_as_platform_error
from tests.support.deafness import NO_ENV_FILE
from tests.support.ports import free_port
from tests.support.registry import Registry

# Commands of the Stable API, version 1: whatever is not among them would tie us to one server.
ALLOWED = {
    "hello",
    "ping",
    "find",
    "getMore",
    "insert",
    "update",
    "delete",
    "findAndModify",
    "count",
    "createIndexes",
    "dropIndexes",
    "listIndexes",
    "killCursors",
    "endSessions",
}


class Commands(CommandListener):
    """Notes the name of every command that is sent."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.strict = True

    def started(self, event: CommandStartedEvent) -> None:
        self.names.add(event.command_name)
        self.strict &= event.command.get("apiVersion") == "1" and event.command["apiStrict"]

    def succeeded(self, event: object) -> None:
        pass

    def failed(self, event: object) -> None:
        pass


def test_only_commands_of_the_stable_api_are_sent(
    settings: Settings, store: Store, now, plain_client
) -> None:
    plain_client.drop_database(settings.mongodb_name)
    commands = Commands()
    heard = connect(settings, timeout_ms=10_000, retryWrites=False, w=1, event_listeners=[commands])
    prepare_database(heard)
    heard.indexes.make("modules.module_id_1")
    registry = Registry(store=heard, now=now)
    registry.enrol()
    registry.connect(registry.connect(registry.register()))
    heard.heartbeats.record({now: ["a"]})
    heard.dump.estimate()
    list(export_registry(heard, now))
    heard.ping()
    heard.close()
    assert commands.names <= ALLOWED
    assert commands.strict


def test_an_outage_is_an_answer_within_two_seconds(settings: Settings) -> None:
    down = connect(replace(settings, mongodb_host=f"127.0.0.1:{free_port()}"))
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable), unavailable_as_platform_error():
        down.ping()
    assert time.monotonic() - started < 2
    down.close()


@pytest.mark.parametrize("address", ["mongodb://", "mongodb://a:b:c", "mongodb://h/?w=x&retry"])
def test_an_address_that_makes_no_sense_is_a_settings_error(
    settings: Settings, address: str
) -> None:
    with pytest.raises(SettingsError, match="MONGODB_HOST: "):
        connect(replace(settings, mongodb_host=address))


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("readPreference=secondary", "readPreference=secondary may read what is out of date"),
        ("readPreference=secondaryPreferred", "readPreference=secondaryPreferred may read"),
        ("readpreference=nearest", "readPreference=nearest may read"),
        ("w=0", "w=0 loses writes"),
        ("w=1", "w=1 loses writes"),
        ("w=1&readPreference=secondary", "w=1 loses writes"),
    ],
)
def test_an_address_that_asks_for_less_than_we_rely_on_is_a_settings_error(
    settings: Settings, option: str, sentence: str
) -> None:
    weak = replace(settings, mongodb_host=f"mongodb://127.0.0.1:{free_port()}/?{option}")
    with pytest.raises(SettingsError, match=sentence):
        connect(weak)


@pytest.mark.parametrize("option", ["", "w=majority", "w=2", "readPreference=primary"])
def test_an_address_that_asks_for_as_much_is_taken(settings: Settings, option: str) -> None:
    address = f"mongodb://127.0.0.1:{free_port()}/?{option}"
    connect(replace(settings, mongodb_host=address)).close()


@pytest.mark.parametrize(
    "program", [["-m", "wsd"], ["-m", "worker"], ["wsgi.py"], ["-m", "cli.main", "list"]]
)
@pytest.mark.parametrize("address", ["mongodb://a:b:c", "mongodb://127.0.0.1/?w=1"])
def test_a_program_ends_with_one_sentence_about_its_address(
    program: list[str], address: str, tmp_path: Path
) -> None:
    environment = {"PATH": os.environ["PATH"], "DEBUG": "True", "VAR_DIR": str(tmp_path)}
    environment |= NO_ENV_FILE
    ended = subprocess.run(
        [sys.executable, *program],
        cwd=PROJECT_DIR,
        env=environment | {"MONGODB_HOST": address, "PYTHONPATH": str(PROJECT_DIR)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode != 0
    assert "MONGODB_HOST: " in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


def test_times_are_read_with_their_zone(settings: Settings, store: Store, now) -> None:
    store.heartbeats.record({now: ["a"]})
    assert store.heartbeats.get("a").heartbeat_at.tzinfo is not None


@pytest.mark.parametrize(
    ("address", "retry", "concern"),
    [
        ("", False, None),  # our own: local, guarded, and slow under retryable writes
        ("db.example:27017", True, "majority"),
        ("mongodb://db.example/?retryWrites=false&w=2", None, None),  # the operator has said so
    ],
)
def test_writes_are_acknowledged_as_the_server_needs_it(
    settings: Settings, address: str, retry: bool | None, concern: str | None
) -> None:
    options = client_options(replace(settings, mongodb_host=address))
    assert (options.get("retryWrites"), options.get("w")) == (retry, concern)
    assert options["server_api"].strict
    assert options["timeoutMS"] == 1500
